//! The same choice for 64-bit ARM.
//!
//! Designed from the kernel's source and tested on the code of real libraries; it never ran, as auditor has no kernel
//! programs for that processor yet.
//!
//! The kernel simulates instructions that depend on where they stand, single-steps others out of line, and refuses some
//! (arch/arm64/kernel/probes/decode-insn.c). A return probe replaces what is in the link register
//! (`arch_uretprobe_hijack_return_addr`), so it has to come before the function saves, signs or overwrites that; and
//! before the stack pointer moves, as the kernel takes an instance with a higher one for gone.

use super::{AttachPoint, ENTRY_WINDOW};

/// Bytes of an instruction.
const SIZE: usize = 4;

/// The link register, and the number that stands for the stack pointer, or for zero.
const LINK: u32 = 30;
const STACK: u32 = 31;

/// Registers with arguments: x0 to x7.
const ARGUMENTS: u32 = 8;

/// What the kernel does with a probed instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Done in its place, without executing it.
    Simulated,
    /// Executed elsewhere, with a second trap behind it.
    Stepped,
    /// No probe can be placed on it.
    Refused,
}

/// By the masks of arch/arm64/include/asm/insn.h. What only some kernels take counts as refused: loads relative to the
/// instruction (they were simulated wrongly up to 6.11), and whatever is exclusive or atomic. Newer kernels simulate
/// `nop` as well; it is counted as stepped.
pub(super) fn treatment(word: u32) -> Treatment {
    let is = |mask: u32, value: u32| word & mask == value;
    let simulated = [
        (0x7c00_0000, 0x1400_0000), // b, bl
        (0xff00_0010, 0x5400_0000), // b.cond
        (0x7e00_0000, 0x3400_0000), // cbz, cbnz
        (0x7e00_0000, 0x3600_0000), // tbz, tbnz
        (0x1f00_0000, 0x1000_0000), // adr, adrp
        (0xffff_fc1f, 0xd61f_0000), // br
        (0xffff_fc1f, 0xd63f_0000), // blr
        (0xffff_fc1f, 0xd65f_0000), // ret
    ];
    if simulated.iter().any(|(mask, value)| is(*mask, *value)) {
        return Treatment::Simulated;
    }
    if is(0xffff_f01f, 0xd503_201f) {
        return match word >> 5 & 0x7f {
            // nop, xpaclri, pac…, bti
            0x00 | 0x07 | 0x08 | 0x0a | 0x18..=0x1b | 0x20 | 0x22 | 0x24 | 0x26 => Treatment::Stepped,
            _ => Treatment::Refused,
        };
    }
    let refused = [
        (0x3b00_0000, 0x1800_0000), // loads relative to the instruction
        (0x3f00_0000, 0x0800_0000), // exclusive, ordered, compare and swap
        (0x3b20_0c00, 0x1900_0400), // copying and setting memory
        (0xff00_0000, 0x5400_0000), // bc.cond
        (0xfe00_0000, 0xd600_0000), // other branches to a register, eret
        (0xff00_0000, 0xd400_0000), // exceptions
        (0xfff8_f01f, 0xd500_401f), // msr to a field
        (0xfff0_0000, 0xd510_0000), // msr
        (0xfff0_0000, 0xd530_0000), // mrs
        (0x1e00_0000, 0x0000_0000), // reserved
    ];
    if refused.iter().any(|(mask, value)| is(*mask, *value)) {
        Treatment::Refused
    } else {
        Treatment::Stepped
    }
}

/// The first instruction, unless the kernel takes no probe on it.
pub(super) fn first_instruction(body: &[u8]) -> Option<AttachPoint> {
    let (_, word) = words(body).next()?;
    (treatment(word) != Treatment::Refused).then(|| point(0, word))
}

/// The first simulated instruction before an argument is lost and before control can leave; else the first one.
pub(super) fn entry_point(body: &[u8]) -> Option<AttachPoint> {
    chosen(body, |_, written| {
        written.iter().any(|register| *register < ARGUMENTS)
    })
}

/// The same before the link register is read or written, and the stack moved.
pub(super) fn return_point(body: &[u8]) -> Option<AttachPoint> {
    let point = chosen(body, |word, written| {
        written
            .iter()
            .any(|register| *register < ARGUMENTS || *register >= LINK)
            || reads_link(word)
    });
    point
        .filter(|point| {
            let at = usize::try_from(point.offset).unwrap_or(0);
            let word = word_at(body, at).unwrap_or(0);
            point.offset == 0 || !(leaves(word) || jumps_back_to(body, at))
        })
        .or_else(|| first_instruction(body))
}

/// Near call and tail-jump targets of a body loaded at `address`, in order.
pub(super) fn call_targets(body: &[u8], address: u64) -> Vec<u64> {
    let end = address.saturating_add(body.len() as u64);
    words(body)
        .filter_map(|(at, word)| {
            let target = jump_target(word, address.wrapping_add(at as u64))?;
            let is_call = word >> 31 == 1;
            (is_call || target < address || target >= end).then_some(target)
        })
        .collect()
}

/// Whether a body loaded at `address` passes a 5th argument to the function at `callee`; `None` when it does not call it.
pub(super) fn passes_fifth_argument(body: &[u8], address: u64, callee: u64) -> Option<bool> {
    /// Instructions a compiler needs to set up five arguments, and some between.
    const BEFORE: usize = 12;
    let words: Vec<u32> = words(body).map(|(_, word)| word).collect();
    let at = |index: usize| address.wrapping_add((index * SIZE) as u64);
    let call = (0..words.len()).find(|index| jump_target(words[*index], at(*index)) == Some(callee))?;
    let straight = words[call.saturating_sub(BEFORE)..call]
        .iter()
        .rev()
        .take_while(|word| !is_branch(**word));
    Some(
        straight
            .clone()
            .any(|word| written(*word).is_some_and(|written| written.contains(&4))),
    )
}

/// The slot that a stub of the linkage table, loaded at `address`, jumps through: `adrp x16` and `ldr x17` from there.
pub(super) fn jump_slot(stub: &[u8], address: u64) -> Option<u64> {
    let (at, page) = words(stub)
        .take(2)
        .find(|(_, word)| word & 0x9f00_001f == 0x9000_0010)?;
    let load = word_at(stub, at + SIZE).filter(|word| word & 0xffc0_03ff == 0xf940_0211)?;
    let pages = i64::from(((page >> 5 & 0x7_ffff) << 2 | page >> 29 & 3).cast_signed() << 11 >> 11);
    let base = (address.wrapping_add(at as u64) & !0xfff).wrapping_add_signed(pages << 12);
    Some(base.wrapping_add(u64::from(load >> 10 & 0xfff) * 8))
}

/// The first simulated instruction, going over those that `stops` allows and that are known; else the first one.
fn chosen(body: &[u8], stops: impl Fn(u32, &[u32]) -> bool) -> Option<AttachPoint> {
    let window = &body[..body.len().min(ENTRY_WINDOW)];
    for (at, word) in words(window) {
        if treatment(word) == Treatment::Simulated {
            return Some(point(at, word));
        }
        match written(word) {
            Some(written) if !is_branch(word) && !stops(word, &written) => {}
            _ => break,
        }
    }
    first_instruction(body)
}

/// Registers an instruction writes, 31 for the stack pointer; `None` for one that is not known here.
fn written(word: u32) -> Option<Vec<u32>> {
    let is = |mask: u32, value: u32| word & mask == value;
    let (target, base, second) = (word & 31, word >> 5 & 31, word >> 10 & 31);
    let is_vector = word >> 26 & 1 == 1;
    // Where 31 is the register that is always zero.
    let or_zero = |register: u32| (register != STACK).then_some(register);
    if is(0xffff_f01f, 0xd503_201f) {
        return match word >> 5 & 0x7f {
            0x00 | 0x20 | 0x22 | 0x24 | 0x26 => Some(vec![]),
            0x18..=0x1b => Some(vec![LINK]),
            _ => None,
        };
    }
    // Pairs: stp, ldp; the address is written back before or behind the access.
    if is(0x3a00_0000, 0x2800_0000) {
        let mut registers = Vec::new();
        if word >> 22 & 1 == 1 && !is_vector {
            registers.extend([target, second].into_iter().filter_map(or_zero));
        }
        if word >> 23 & 1 == 1 {
            registers.push(base);
        }
        return Some(registers);
    }
    // One register: str, ldr; with a scaled offset, else with a short one that may be written back.
    let (scaled, short) = (is(0x3b00_0000, 0x3900_0000), is(0x3b20_0000, 0x3800_0000));
    if scaled || short {
        let mut registers = Vec::new();
        if word >> 22 & 3 != 0 && !is_vector {
            registers.extend(or_zero(target));
        }
        if short && word >> 10 & 1 == 1 {
            registers.push(base);
        }
        return Some(registers);
    }
    // add, sub with a number: 31 is the stack pointer, unless flags are set.
    if is(0x1f00_0000, 0x1100_0000) {
        return Some(if word >> 29 & 1 == 1 {
            or_zero(target).into_iter().collect()
        } else {
            vec![target]
        });
    }
    // and, orr, eor with a number: the same.
    if is(0x1f80_0000, 0x1200_0000) {
        return Some(if word >> 29 & 3 == 3 {
            or_zero(target).into_iter().collect()
        } else {
            vec![target]
        });
    }
    // ccmp, ccmn: flags only.
    if is(0x1fe0_0000, 0x1a40_0000) {
        return Some(vec![]);
    }
    let plain = is(0x1f80_0000, 0x1280_0000) // movn, movz, movk
        || is(0x1fe0_0000, 0x1a80_0000) // csel and its like
        || is(0x1f00_0000, 0x0a00_0000) // and, orr (mov), eor
        || is(0x1f20_0000, 0x0b00_0000) // add, sub, cmp
        || is(0x1f80_0000, 0x1300_0000); // moving bits about
    plain.then(|| or_zero(target).into_iter().collect())
}

/// A store or a copy of the link register.
fn reads_link(word: u32) -> bool {
    let is_memory = word & 0x0a00_0000 == 0x0800_0000;
    let (target, second, other) = (word & 31, word >> 10 & 31, word >> 16 & 31);
    if is_memory {
        target == LINK || second == LINK
    } else {
        word >> 5 & 31 == LINK || other == LINK
    }
}

fn is_branch(word: u32) -> bool {
    word & 0x1c00_0000 == 0x1400_0000 && word & 0xffff_f01f != 0xd503_201f
}

/// Calls, and branches to a register: the link register is not the function's own behind them.
fn leaves(word: u32) -> bool {
    word & 0xfc00_0000 == 0x9400_0000 || word & 0xfe00_0000 == 0xd600_0000
}

/// True when a branch of the body leads to `offset` or before it.
fn jumps_back_to(body: &[u8], offset: usize) -> bool {
    words(body).any(|(at, word)| {
        let distance = match word {
            _ if word & 0xfc00_0000 == 0x1400_0000 => signed(word, 0, 26),
            _ if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 => {
                signed(word, 5, 19)
            }
            _ if word & 0x7e00_0000 == 0x3600_0000 => signed(word, 5, 14),
            _ => return false,
        };
        let target = (at as i64).saturating_add(distance);
        target >= 0 && target <= offset as i64
    })
}

/// Where `b` and `bl` at `address` lead.
fn jump_target(word: u32, address: u64) -> Option<u64> {
    (word & 0x7c00_0000 == 0x1400_0000).then(|| address.wrapping_add_signed(signed(word, 0, 26)))
}

/// A distance in bytes, from a field of `width` bits that counts instructions.
fn signed(word: u32, from: u32, width: u32) -> i64 {
    let unused = 32 - width;
    i64::from((word >> from << unused).cast_signed() >> unused) * SIZE as i64
}

fn words(body: &[u8]) -> impl Iterator<Item = (usize, u32)> {
    let (words, _) = body.as_chunks::<SIZE>();
    words
        .iter()
        .enumerate()
        .map(|(index, bytes)| (index * SIZE, u32::from_le_bytes(*bytes)))
}

fn word_at(body: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*body.get(at..)?.first_chunk()?))
}

fn point(at: usize, word: u32) -> AttachPoint {
    AttachPoint {
        offset: at as u64,
        // Only an entry probe may sit behind a change of it, and does not ask.
        stack_delta: 0,
        emulated: treatment(word) == Treatment::Simulated,
        instruction: name(word),
    }
}

/// What it is called, for people.
fn name(word: u32) -> String {
    let names = [
        (0xffff_ffff, 0xd503_201f, "nop"),
        (0xffff_ffff, 0xd503_233f, "paciasp"),
        (0xffff_ffff, 0xd503_237f, "pacibsp"),
        (0xffff_ff3f, 0xd503_241f, "bti"),
        (0xfc00_0000, 0x1400_0000, "b"),
        (0xfc00_0000, 0x9400_0000, "bl"),
        (0xff00_0010, 0x5400_0000, "b.cond"),
        (0x7f00_0000, 0x3400_0000, "cbz"),
        (0x7f00_0000, 0x3500_0000, "cbnz"),
        (0x7f00_0000, 0x3600_0000, "tbz"),
        (0x7f00_0000, 0x3700_0000, "tbnz"),
        (0x9f00_0000, 0x1000_0000, "adr"),
        (0x9f00_0000, 0x9000_0000, "adrp"),
        (0xffff_fc1f, 0xd61f_0000, "br"),
        (0xffff_fc1f, 0xd63f_0000, "blr"),
        (0xffff_fc1f, 0xd65f_0000, "ret"),
        (0x3e40_0000, 0x2800_0000, "stp"),
        (0x3e40_0000, 0x2840_0000, "ldp"),
        (0xff80_03ff, 0xd100_03ff, "sub sp"),
        (0x7fe0_ffe0, 0x2a00_03e0, "mov"),
        (0x7f80_0000, 0x5280_0000, "mov"),
        (0x7f00_001f, 0x7100_001f, "cmp"),
        (0xbfc0_0000, 0xb940_0000, "ldr"),
        (0xbfc0_0000, 0xb900_0000, "str"),
    ];
    names
        .iter()
        .find(|(mask, value, _)| word & mask == *value)
        .map_or_else(|| format!("{word:#010x}"), |(_, _, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BTI_C: u32 = 0xd503_245f;
    const PACIASP: u32 = 0xd503_233f;
    const AUTIASP: u32 = 0xd503_23bf;
    const CBZ_X0: u32 = 0xb400_0040;
    const STP_FRAME: u32 = 0xa9bf_7bfd;

    fn code(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn each_instruction_is_treated_as_the_kernel_does() {
        let treated = |words: &[u32], wanted| {
            for word in words {
                assert_eq!(treatment(*word), wanted, "{word:#x}");
            }
        };
        // cbz, tbnz, b, bl, b.eq, adr, adrp, ret, br, blr
        let simulated = [
            CBZ_X0,
            0x37f8_0042,
            0x1400_0001,
            0x9400_0001,
            0x5400_0020,
            0x1000_0000,
            0x9000_0000,
            0xd65f_03c0,
            0xd61f_0220,
            0xd63f_0100,
        ];
        treated(&simulated, Treatment::Simulated);
        // stp, paciasp, bti c, nop, dmb, mov, ccmp, str, sub, ldr
        let stepped = [
            STP_FRAME,
            PACIASP,
            BTI_C,
            0xd503_201f,
            0xd503_3bbf,
            0xd280_0001,
            0x7a40_1841,
            0xf900_07fe,
            0xd100_83ff,
            0xf940_0405,
        ];
        treated(&stepped, Treatment::Stepped);
        // autiasp, yield, retaa, braa, ldr, ldrsw, prfm and ldr of a vector by distance, ldxr, ldar, svc, mrs, msr, brk, udf
        let refused = [
            AUTIASP,
            0xd503_203f,
            0xd65f_0bff,
            0xd71f_0801,
            0x5800_0040,
            0x9800_0040,
            0xd800_0040,
            0x9c00_0040,
            0xc85f_7c20,
            0xc8df_fc20,
            0xd400_0001,
            0xd53b_d040,
            0xd51b_d040,
            0xd420_0000,
            0,
        ];
        treated(&refused, Treatment::Refused);
    }

    #[test]
    fn a_return_probe_stays_before_the_link_register_is_used() {
        let (mov_x1, mov_x19_link, sub_sp) = (0xd280_0001, 0xaa1e_03f3, 0xd100_83ff);
        let (ccmp, store_link, back) = (0x7a40_1841, 0xf900_07fe, 0x17ff_ffff);
        for (words, entry, on_return) in [
            (&[BTI_C, CBZ_X0][..], 4, 4),
            (&[ccmp, CBZ_X0], 4, 4),
            (&[PACIASP, CBZ_X0], 4, 0),
            (&[STP_FRAME, CBZ_X0], 4, 0),
            (&[store_link, CBZ_X0], 4, 0),
            (&[mov_x19_link, CBZ_X0], 4, 0),
            (&[sub_sp, CBZ_X0], 4, 0),
            // An argument would be lost.
            (&[mov_x1, CBZ_X0], 0, 0),
            // A loop begins behind the first one.
            (&[BTI_C, CBZ_X0, back], 4, 0),
            (&[BTI_C, 0x9400_0001], 4, 0),
        ] {
            let body = code(words);
            assert_eq!(entry_point(&body).unwrap().offset, entry, "{words:x?}");
            assert_eq!(return_point(&body).unwrap().offset, on_return, "{words:x?}");
        }
        assert_eq!(return_point(&code(&[AUTIASP, CBZ_X0])), None);
        assert_eq!(first_instruction(&[0x40, 0]), None);
    }

    #[test]
    fn calls_arguments_and_the_linkage_table_are_followed() {
        // mov x4, x3; bl +4; b -4; b -4
        let body = code(&[0xaa03_03e4, 0x9400_0001, 0x17ff_ffff, 0x17ff_ffff]);
        assert_eq!(call_targets(&body, 0x1000), [0x1008]);
        assert_eq!(passes_fifth_argument(&body, 0x1000, 0x1008), Some(true));
        assert_eq!(passes_fifth_argument(&body[4..], 0x1004, 0x1008), Some(false));
        assert_eq!(passes_fifth_argument(&body, 0x1000, 0x2000), None);
        // A tail jump out of the body.
        assert_eq!(call_targets(&code(&[0x17ff_ffff]), 0x1000), [0xffc]);
        // adrp x16, 0x1f000 ahead; ldr x17, [x16, 0xe70]
        let stub = code(&[0xf000_00f0, 0xf947_3a11]);
        assert_eq!(jump_slot(&stub, 0x1234), Some(0x1000 + 0x1f000 + 0xe70));
        assert_eq!(jump_slot(&stub[4..], 0x1234), None);
    }

    proptest::proptest! {
        #[test]
        fn any_code_bytes_are_decoded_without_a_panic(body in proptest::collection::vec(0u8.., 0..128), address: u64) {
            let _ = entry_point(&body);
            let _ = first_instruction(&body);
            let _ = return_point(&body);
            let _ = call_targets(&body, address);
            let _ = passes_fifth_argument(&body, address, 0);
            let _ = jump_slot(&body, address);
        }
    }
}
