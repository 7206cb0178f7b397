//! Where an object keeps a boxed trait object, from the code that calls a method of it.
//!
//! Rust lays out fields as it likes, so an offset has to be read from each program. `self.boxed.method()`
//! compiles to two loads of adjacent words behind `self`, the box's data and its table of methods, and
//! a call through the second with the first as an argument.

use std::collections::HashMap;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

/// Registers a called function may change (System V ABI).
const CHANGED: [Register; 9] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];

/// Bytes of a word.
const WORD: u64 = 8;

/// What a function's first argument has at this offset is the data of the first boxed trait object whose
/// method the function calls; `None` when there is no such call, or it can not be followed.
pub fn boxed(body: &[u8]) -> Option<u16> {
    // Registers with the first argument, and with words behind it.
    let mut own = vec![Register::RDI];
    let mut words: HashMap<Register, u64> = HashMap::new();
    for instruction in Decoder::with_ip(64, body, 0, DecoderOptions::NONE).iter() {
        if instruction.is_invalid() {
            return None;
        }
        if instruction.flow_control() == FlowControl::IndirectCall
            && let Some(table) = base(&instruction)
            && let Some(table) = words.get(&table)
        {
            // The object itself is the first argument, or the second behind the place for the result.
            let is_data = |register| words.get(&register).map(|at| at + WORD) == Some(*table);
            if is_data(Register::RDI) || is_data(Register::RSI) {
                return u16::try_from(table - WORD).ok();
            }
        }
        if matches!(
            instruction.flow_control(),
            FlowControl::Call | FlowControl::IndirectCall
        ) {
            own.retain(|register| !CHANGED.contains(register));
            words.retain(|register, _| !CHANGED.contains(register));
            continue;
        }
        let copied = instruction.code() == Code::Mov_rm64_r64 || instruction.code() == Code::Mov_r64_rm64;
        let is_own =
            copied && instruction.op1_kind() == OpKind::Register && own.contains(&instruction.op1_register());
        let word = (instruction.code() == Code::Mov_r64_rm64)
            .then(|| base(&instruction))
            .flatten()
            .filter(|base| own.contains(base))
            .map(|_| instruction.memory_displacement64());
        let Some(target) = written(&instruction) else {
            continue;
        };
        own.retain(|register| *register != target);
        words.remove(&target);
        if is_own {
            own.push(target);
        } else if let Some(word) = word {
            words.insert(target, word);
        }
    }
    None
}

/// The base of a memory operand that is a register and a displacement.
fn base(instruction: &Instruction) -> Option<Register> {
    let has_memory = instruction.op0_kind() == OpKind::Memory || instruction.op1_kind() == OpKind::Memory;
    (has_memory && instruction.memory_index() == Register::None && !instruction.is_ip_rel_memory_operand())
        .then(|| instruction.memory_base())
}

/// The register that an instruction changes, as far as its first operand tells.
fn written(instruction: &Instruction) -> Option<Register> {
    let reads_only = matches!(
        instruction.mnemonic(),
        Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push
    );
    (instruction.op0_kind() == OpKind::Register && !reads_only)
        .then(|| instruction.op0_register().full_register())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_whose_method_is_called_is_found() {
        // mov r15, rdi; mov rsi, [r15+0x10]; mov rax, [r15+0x18]; lea rdi, [rsp+0x60]; call [rax+0x18]
        let body = [
            0x49, 0x89, 0xff, 0x49, 0x8b, 0x77, 0x10, 0x49, 0x8b, 0x47, 0x18, 0x48, 0x8d, 0x7c, 0x24, 0x60,
            0xff, 0x50, 0x18,
        ];
        assert_eq!(boxed(&body), Some(0x10));
        // Without the copy of the first argument, r15 is anything.
        assert_eq!(boxed(&body[3..]), None);
        // mov rax, [rdi+0x18]; mov rdi, [rdi+0x10]; call [rax+0x18]
        let body = [0x48, 0x8b, 0x47, 0x18, 0x48, 0x8b, 0x7f, 0x10, 0xff, 0x50, 0x18];
        assert_eq!(boxed(&body), Some(0x10));
    }

    #[test]
    fn words_that_are_not_adjacent_are_no_box() {
        // mov rax, [rdi+0x28]; mov rdi, [rdi+0x10]; call [rax+0x18]
        let body = [0x48, 0x8b, 0x47, 0x28, 0x48, 0x8b, 0x7f, 0x10, 0xff, 0x50, 0x18];
        assert_eq!(boxed(&body), None);
    }

    #[test]
    fn what_a_call_changed_is_forgotten() {
        // mov rax, [rdi+0x18]; call +0; mov rdi, [rdi+0x10]; call [rax+0x18]
        let body = [
            0x48, 0x8b, 0x47, 0x18, 0xe8, 0, 0, 0, 0, 0x48, 0x8b, 0x7f, 0x10, 0xff, 0x50, 0x18,
        ];
        assert_eq!(boxed(&body), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = boxed(&body);
        }
    }
}
