//! The instructions in Go functions that probes sit on. Goes in: code bytes. Comes out: offsets, and
//! where the values are at that moment.
//!
//! Go's compiler keeps the stack pointer where the prologue put it and spills arguments into the
//! caller's frame (the register ABI of Go 1.17, cmd/compile/abi-internal.md). What is found is
//! checked against the code; where it is not as expected there is no probe.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, MemorySize, Mnemonic,
    OpAccess, OpKind, Register,
};

use crate::capture::elf::AttachPoint;

/// Calls of `writeRecordLocked` in one Write; there are two, one for old protocol versions.
const MAX_CALLS: usize = 4;

/// Instructions behind a call within which the count has to be found.
const MAX_BEHIND: usize = 12;

/// Where a count is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Rax,
    /// Bytes from the stack pointer.
    Slot(u32),
}

/// A call of Write's, and the place behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteCall {
    pub call: AttachPoint,
    pub behind: AttachPoint,
    pub count: Count,
}

/// The copy of Read's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadCopy {
    pub call: AttachPoint,
    /// Bytes from the stack pointer to the slot with the receiver.
    pub receiver: u32,
}

/// A function's code.
pub struct GoCode {
    address: u64,
    instructions: Vec<Instruction>,
}

impl GoCode {
    /// Decodes a body that runs at `address`.
    pub fn new(body: &[u8], address: u64) -> Self {
        Self {
            address,
            instructions: Decoder::with_ip(64, body, address, DecoderOptions::NONE)
                .iter()
                .collect(),
        }
    }

    /// True when the function gets its goroutine in r14, as from Go 1.17 on: it compares the
    /// stack pointer, or what it would become, with `g.stackguard0` at r14+16 first.
    pub fn has_register_abi(&self) -> bool {
        self.instructions.iter().take(4).any(|instruction| {
            instruction.mnemonic() == Mnemonic::Cmp
                && instruction.memory_base() == Register::R14
                && instruction.memory_displacement64() == 16
        })
    }

    /// The first instruction the kernel emulates, with the arguments still in place. It may be the
    /// jump of the stack check, which is taken once more when the stack has to grow.
    pub fn entry(&self) -> Option<AttachPoint> {
        let index = self.instructions.iter().take(MAX_BEHIND).position(is_emulated)?;
        let untouched = self.instructions[..index].iter().all(|instruction| {
            instruction.flow_control() == FlowControl::Next && !writes(instruction, Register::RAX)
        });
        untouched.then(|| self.point(index))
    }

    /// The calls of `target`, and for each the first instruction behind it that the kernel emulates
    /// and at which the returned count is known; `None` when one of them has no such place.
    pub fn write_calls(&self, target: u64) -> Option<Vec<WriteCall>> {
        let calls = self.calls_of(target);
        if calls.is_empty() || calls.len() > MAX_CALLS {
            return None;
        }
        calls
            .into_iter()
            .map(|index| {
                let (behind, count) = self.behind(index)?;
                Some(WriteCall {
                    call: self.point(index),
                    behind: self.point(behind),
                    count,
                })
            })
            .collect()
    }

    /// The only call of `target` in a function that keeps its first argument in its own slot.
    pub fn read_copy(&self, target: u64) -> Option<ReadCopy> {
        let [call] = self.calls_of(target)[..] else {
            return None;
        };
        Some(ReadCopy {
            call: self.point(call),
            receiver: self.first_argument_slot()?,
        })
    }

    fn calls_of(&self, target: u64) -> Vec<usize> {
        (0..self.instructions.len())
            .filter(|index| {
                let instruction = &self.instructions[*index];
                instruction.code() == Code::Call_rel32_64 && instruction.near_branch_target() == target
            })
            .collect()
    }

    /// Follows the count from a call's return on to the first place for a probe.
    fn behind(&self, call: usize) -> Option<(usize, Count)> {
        let (mut in_rax, mut slot) = (true, None);
        for index in (call + 1..self.instructions.len()).take(MAX_BEHIND) {
            let instruction = &self.instructions[index];
            if self.is_branched_to(instruction.ip()) {
                return None;
            }
            if is_emulated(instruction) {
                let count = if in_rax { Count::Rax } else { Count::Slot(slot?) };
                return Some((index, count));
            }
            if instruction.flow_control() != FlowControl::Next || writes(instruction, Register::RSP) {
                return None;
            }
            match stack_store(instruction) {
                Some(to) if in_rax && instruction.op1_register() == Register::RAX => slot = Some(to),
                Some(to) if slot != Some(to) => {}
                // Over it, or some other store to the stack, which may be wider than a slot.
                _ if writes_stack(instruction) => slot = None,
                _ => {}
            }
            in_rax &= !writes(instruction, Register::RAX);
        }
        None
    }

    /// The slot of the first argument in the caller's frame, when the prologue stores it there and
    /// nothing else does.
    fn first_argument_slot(&self) -> Option<u32> {
        let slot = self.frame()?.checked_add(8)?;
        let mut stores = (0..self.instructions.len())
            .filter(|index| stack_store(&self.instructions[*index]) == Some(slot));
        let (store, None) = (stores.next()?, stores.next()) else {
            return None;
        };
        let untouched = self.instructions[..store].iter().all(|instruction| {
            !writes(instruction, Register::RAX)
                && matches!(
                    instruction.flow_control(),
                    FlowControl::Next | FlowControl::ConditionalBranch
                )
        });
        (untouched && self.instructions[store].op1_register() == Register::RAX).then_some(slot)
    }

    /// Bytes the prologue moves the stack pointer down.
    fn frame(&self) -> Option<u32> {
        let mut pushed = 0;
        for instruction in self.instructions.iter().take(8) {
            match (instruction.mnemonic(), instruction.op0_register()) {
                (Mnemonic::Push, Register::RBP) => pushed += 8,
                (Mnemonic::Sub, Register::RSP) => {
                    let size = u32::try_from(instruction.try_immediate(1).ok()?).ok()?;
                    return size.checked_add(pushed).filter(|frame| *frame < 1 << 20);
                }
                _ => {}
            }
        }
        None
    }

    fn is_branched_to(&self, address: u64) -> bool {
        self.instructions.iter().any(|instruction| {
            instruction.op0_kind() == OpKind::NearBranch64
                && instruction.flow_control() != FlowControl::Call
                && instruction.near_branch_target() == address
        })
    }

    fn point(&self, index: usize) -> AttachPoint {
        let instruction = &self.instructions[index];
        AttachPoint {
            offset: instruction.ip().wrapping_sub(self.address),
            stack_delta: 0,
            emulated: is_emulated(instruction),
            instruction: format!("{:?}", instruction.mnemonic()).to_lowercase(),
        }
    }
}

/// Instructions that every kernel emulates (arch/x86/kernel/uprobes.c): near calls and jumps, and
/// `push` of a register.
fn is_emulated(instruction: &Instruction) -> bool {
    match instruction.flow_control() {
        FlowControl::Call | FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
            instruction.op0_kind() == OpKind::NearBranch64
        }
        _ => instruction.mnemonic() == Mnemonic::Push && instruction.op0_kind() == OpKind::Register,
    }
}

/// The slot that `mov [rsp+n], r64` writes.
fn stack_store(instruction: &Instruction) -> Option<u32> {
    (instruction.code() == Code::Mov_rm64_r64
        && instruction.op0_kind() == OpKind::Memory
        && instruction.memory_size() == MemorySize::UInt64
        && instruction.memory_base() == Register::RSP
        && instruction.memory_index() == Register::None)
        .then(|| u32::try_from(instruction.memory_displacement64()).ok())
        .flatten()
}

/// True when the instruction may change that register.
fn writes(instruction: &Instruction, register: Register) -> bool {
    InstructionInfoFactory::new()
        .info(instruction)
        .used_registers()
        .iter()
        .any(|used| used.register().full_register() == register && is_write(used.access()))
}

/// True when the instruction may store to the stack by way of the stack pointer.
fn writes_stack(instruction: &Instruction) -> bool {
    InstructionInfoFactory::new()
        .info(instruction)
        .used_memory()
        .iter()
        .any(|used| used.base() == Register::RSP && is_write(used.access()))
}

fn is_write(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::ReadWrite | OpAccess::CondWrite | OpAccess::ReadCondWrite
    )
}

#[cfg(test)]
mod tests;
