//! The choice of the instruction a probe sits on, for x86-64 here and for 64-bit ARM in [`aarch64`].
//!
//! Goes in: the first bytes of a function. Comes out: an [`AttachPoint`]. The kernel emulates some
//! instructions and single-steps the others, which costs ten times as much.

mod aarch64;

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

/// The processor a file's code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// The one auditor was built for.
    pub const HERE: Option<Self> = if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Self::Aarch64)
    } else {
        None
    };

    /// The first instruction of a function.
    pub fn first_instruction(self, body: &[u8]) -> Option<AttachPoint> {
        match self {
            Self::X86_64 => first_instruction(body),
            Self::Aarch64 => aarch64::first_instruction(body),
        }
    }

    /// The cheapest instruction for an entry probe.
    pub fn entry_point(self, body: &[u8]) -> Option<AttachPoint> {
        match self {
            Self::X86_64 => entry_point(body),
            Self::Aarch64 => aarch64::entry_point(body),
        }
    }

    /// The cheapest instruction for a probe on entry and return.
    pub fn return_point(self, body: &[u8]) -> Option<AttachPoint> {
        match self {
            Self::X86_64 => return_point(body),
            Self::Aarch64 => aarch64::return_point(body),
        }
    }

    /// Near call and tail-jump targets of a function body loaded at `address`, in order.
    pub fn call_targets(self, body: &[u8], address: u64) -> Vec<u64> {
        match self {
            Self::X86_64 => call_targets(body, address),
            Self::Aarch64 => aarch64::call_targets(body, address),
        }
    }

    /// Whether a body loaded at `address` passes a 5th argument to the function at `callee`, by the last
    /// instructions before the call; `None` when it does not call it.
    pub fn passes_fifth_argument(self, body: &[u8], address: u64, callee: u64) -> Option<bool> {
        match self {
            Self::X86_64 => passes_fifth_argument(body, address, callee),
            Self::Aarch64 => aarch64::passes_fifth_argument(body, address, callee),
        }
    }

    /// The slot that a stub of the linkage table, loaded at `address`, jumps through.
    pub(super) fn jump_slot(self, stub: &[u8], address: u64) -> Option<u64> {
        match self {
            Self::X86_64 => jump_slot(stub, address),
            Self::Aarch64 => aarch64::jump_slot(stub, address),
        }
    }
}

/// The first instruction of a function; `None` when the kernel takes no probe there.
pub fn first_instruction(body: &[u8]) -> Option<AttachPoint> {
    let instruction = Decoder::with_ip(64, body, 0, DecoderOptions::NONE)
        .into_iter()
        .next()?;
    (!instruction.is_invalid() && !is_refused(body, &instruction)).then(|| point(&instruction, 0))
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
        if is_emulated(&instruction) && !is_refused(body, &instruction) {
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
fn jump_slot(stub: &[u8], address: u64) -> Option<u64> {
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

/// Prefixes for segments that 64-bit code does not have, and `lock`: the kernel takes no probe on what has one
/// (arch/x86/kernel/uprobes.c, `is_prefix_bad`). Assemblers pad with them, so that no jump crosses a 32-byte boundary.
fn is_refused(body: &[u8], instruction: &Instruction) -> bool {
    const BAD: [u8; 5] = [0x26, 0x2e, 0x36, 0x3e, 0xf0];
    const OTHERS: [u8; 6] = [0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3];
    let at = usize::try_from(instruction.ip()).unwrap_or(usize::MAX);
    let bytes = body.get(at..).unwrap_or_default();
    let mut prefixes = bytes
        .iter()
        .take_while(|byte| BAD.contains(byte) || OTHERS.contains(byte));
    prefixes.any(|byte| BAD.contains(byte))
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
    fn no_probe_sits_on_an_instruction_that_is_padded_with_prefixes() {
        // cs cs push rbx; sub rsp, 8; je +0: an entry probe goes on, a return probe has no place.
        let body = [0x2e, 0x2e, 0x53, 0x48, 0x83, 0xec, 0x08, 0x74, 0x00];
        let point = entry_point(&body).unwrap();
        assert_eq!((point.offset, point.stack_delta, point.emulated), (7, 16, true));
        assert_eq!(return_point(&body), None);
        // cs nop; push rbx
        let point = return_point(&[0x2e, 0x90, 0x53]).unwrap();
        assert_eq!((point.offset, point.emulated), (2, true));
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
