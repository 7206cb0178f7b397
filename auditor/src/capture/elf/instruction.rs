//! The choice of the instruction a probe sits on (x86-64).
//!
//! Goes in: the first bytes of a function. Comes out: an [`AttachPoint`]. The kernel emulates some
//! instructions and single-steps the others, which costs ten times as much.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter as _, Instruction, Mnemonic, NasmFormatter, OpKind,
    Register,
};

/// Bytes from a function's start within which a probe may be moved.
pub(super) const ENTRY_WINDOW: usize = 64;

/// Where in a function to put a probe, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachPoint {
    /// Bytes from the function's start.
    pub offset: u64,
    /// Bytes the stack pointer has moved down by then.
    pub stack_delta: u16,
    /// The kernel emulates it: a trap of some 200 ns instead of some 3,000.
    pub emulated: bool,
    /// Disassembly, for people.
    pub instruction: String,
}

/// The first instruction of a function.
pub fn first_instruction(body: &[u8]) -> Option<AttachPoint> {
    let instruction = Decoder::with_ip(64, body, 0, DecoderOptions::NONE)
        .into_iter()
        .next()?;
    (!instruction.is_invalid()).then(|| point(&instruction, 0))
}

/// The cheapest instruction for an entry probe: the first one the kernel emulates
/// (arch/x86/kernel/uprobes.c: push, near jump, conditional jump, call, nop) before any argument
/// register is written and before control can leave; else the first instruction.
pub fn entry_point(body: &[u8]) -> Option<AttachPoint> {
    let window = &body[..body.len().min(ENTRY_WINDOW)];
    let mut stack_delta = 0u16;
    for instruction in Decoder::with_ip(64, window, 0, DecoderOptions::NONE).iter() {
        if instruction.is_invalid() {
            break;
        }
        if is_emulated(&instruction) {
            return Some(point(&instruction, stack_delta));
        }
        if instruction.flow_control() != FlowControl::Next || writes_argument(&instruction) {
            break;
        }
        match stack_change(&instruction) {
            Some(change) => stack_delta = stack_delta.checked_add(change)?,
            None => break,
        }
    }
    first_instruction(body)
}

/// The cheapest instruction for a probe on entry and return, which share one trap.
///
/// The kernel takes what the stack pointer points to for the return address and replaces it
/// (kernel/events/uprobes.c, `prepare_uretprobe`). So a return probe needs no first instruction; it
/// needs one before which the stack has not moved: past `endbr64`, a `push` will do.
pub fn return_point(body: &[u8]) -> Option<AttachPoint> {
    entry_point(body)
        .filter(|point| point.stack_delta == 0 && !jumps_back_to(body, point.offset))
        .or_else(|| first_instruction(body))
}

/// True when a jump of the body leads to `offset` or before it: there a loop begins, and a probe
/// would see one call many times.
fn jumps_back_to(body: &[u8], offset: u64) -> bool {
    Decoder::with_ip(64, body, 0, DecoderOptions::NONE)
        .iter()
        .any(|instruction| {
            matches!(
                instruction.flow_control(),
                FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
            ) && instruction.op0_kind() == OpKind::NearBranch64
                && instruction.near_branch_target() <= offset
        })
}

/// Near call and tail-jump targets of a function body loaded at `address`, in order.
pub fn call_targets(body: &[u8], address: u64) -> Vec<u64> {
    let end = address.saturating_add(body.len() as u64);
    Decoder::with_ip(64, body, address, DecoderOptions::NONE)
        .iter()
        .filter(|instruction| instruction.op0_kind() == OpKind::NearBranch64)
        .filter_map(|instruction| {
            let target = instruction.near_branch_target();
            match instruction.flow_control() {
                FlowControl::Call => Some(target),
                FlowControl::UnconditionalBranch if target < address || target >= end => Some(target),
                _ => None,
            }
        })
        .collect()
}

/// The slot that a stub of the linkage table, loaded at `address`, jumps through.
pub(super) fn jump_slot(stub: &[u8], address: u64) -> Option<u64> {
    Decoder::with_ip(64, stub, address, DecoderOptions::NONE)
        .iter()
        .take(2)
        .find(|instruction| {
            instruction.flow_control() == FlowControl::IndirectBranch
                && instruction.is_ip_rel_memory_operand()
        })
        .map(|instruction| instruction.ip_rel_memory_address())
}

/// Whether a body loaded at `address` passes a 5th argument to the function at `callee`, by the last
/// instructions before the call; `None` when it does not call it.
pub fn passes_fifth_argument(body: &[u8], address: u64, callee: u64) -> Option<bool> {
    /// Instructions a compiler needs to set up five arguments, and some between.
    const BEFORE: usize = 12;
    let instructions: Vec<Instruction> = Decoder::with_ip(64, body, address, DecoderOptions::NONE)
        .iter()
        .collect();
    let call = instructions.iter().position(|instruction| {
        matches!(
            instruction.flow_control(),
            FlowControl::Call | FlowControl::UnconditionalBranch
        ) && instruction.op0_kind() == OpKind::NearBranch64
            && instruction.near_branch_target() == callee
    })?;
    let before = &instructions[call.saturating_sub(BEFORE)..call];
    // Only what runs without a break up to the call.
    let straight = before
        .iter()
        .rev()
        .take_while(|instruction| instruction.flow_control() == FlowControl::Next);
    Some(straight.clone().any(|instruction| {
        instruction.op0_kind() == OpKind::Register
            && instruction.op0_register().full_register() == Register::R8
    }))
}

fn point(instruction: &Instruction, stack_delta: u16) -> AttachPoint {
    AttachPoint {
        offset: instruction.ip(),
        stack_delta,
        emulated: is_emulated(instruction),
        instruction: {
            let mut text = String::new();
            let mut formatter = NasmFormatter::new();
            if instruction.op0_kind() == OpKind::NearBranch64 {
                // A target relative to the function means nothing to a reader.
                formatter.format_mnemonic(instruction, &mut text);
            } else {
                formatter.format(instruction, &mut text);
            }
            text
        },
    }
}

fn is_emulated(instruction: &Instruction) -> bool {
    match instruction.mnemonic() {
        Mnemonic::Push => instruction.op0_kind() == OpKind::Register,
        Mnemonic::Nop => true,
        _ => match instruction.flow_control() {
            FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch | FlowControl::Call => {
                instruction.op0_kind() == OpKind::NearBranch64
            }
            _ => false,
        },
    }
}

fn writes_argument(instruction: &Instruction) -> bool {
    const ARGUMENTS: [Register; 6] = [
        Register::RDI,
        Register::RSI,
        Register::RDX,
        Register::RCX,
        Register::R8,
        Register::R9,
    ];
    instruction.op0_kind() == OpKind::Register
        && ARGUMENTS.contains(&instruction.op0_register().full_register())
        && !matches!(
            instruction.mnemonic(),
            Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push
        )
}

/// How far an instruction moves the stack pointer down; `None` when it can not be told.
fn stack_change(instruction: &Instruction) -> Option<u16> {
    match (instruction.mnemonic(), instruction.op0_register()) {
        (Mnemonic::Sub, Register::RSP) => u16::try_from(instruction.try_immediate(1).ok()?).ok(),
        (Mnemonic::Push, _) => Some(8),
        (Mnemonic::Pop | Mnemonic::Leave | Mnemonic::Enter, _) | (_, Register::RSP) => None,
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_probe_moves_past_endbr64_to_the_push() {
        // endbr64; push rbp; mov rbp, rsp
        let point = entry_point(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5]).unwrap();
        assert_eq!((point.offset, point.stack_delta, point.emulated), (4, 0, true));
    }

    #[test]
    fn an_entry_probe_counts_what_the_stack_moved() {
        // sub rsp, 0x18; call +0
        let point = entry_point(&[0x48, 0x83, 0xec, 0x18, 0xe8, 0, 0, 0, 0]).unwrap();
        assert_eq!((point.offset, point.stack_delta, point.emulated), (4, 0x18, true));
    }

    #[test]
    fn an_entry_probe_stays_at_the_start_when_an_argument_would_be_lost() {
        // mov edi, 1; push rbp
        let point = entry_point(&[0xbf, 1, 0, 0, 0, 0x55]).unwrap();
        assert_eq!((point.offset, point.emulated), (0, false));
    }

    #[test]
    fn a_return_probe_sits_where_the_return_address_is_on_top_of_the_stack() {
        // endbr64; push rbp: nothing was pushed yet.
        let point = return_point(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55]).unwrap();
        assert_eq!((point.offset, point.emulated), (4, true));
        // sub rsp, 8; call +0: the emulated instruction comes too late.
        let point = return_point(&[0x48, 0x83, 0xec, 0x08, 0xe8, 0, 0, 0, 0]).unwrap();
        assert_eq!((point.offset, point.emulated), (0, false));
        // test rdi, rdi; je +0
        let point = return_point(&[0x48, 0x85, 0xff, 0x74, 0x00]).unwrap();
        assert_eq!((point.offset, point.emulated), (3, true));
    }

    #[test]
    fn a_return_probe_is_not_moved_into_a_loop() {
        // endbr64; push rbp; jmp to the push
        let point = return_point(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0xeb, 0xfd]).unwrap();
        assert_eq!((point.offset, point.emulated), (0, false));
    }

    proptest::proptest! {
        #[test]
        fn any_code_bytes_are_decoded_without_a_panic(body in proptest::collection::vec(0u8.., 0..128), address: u64) {
            let _ = entry_point(&body);
            let _ = first_instruction(&body);
            let _ = return_point(&body);
            let _ = call_targets(&body, address);
            let _ = passes_fifth_argument(&body, address, 0);
        }
    }
}
