use proptest::prelude::*;

use super::*;

const TARGET: u64 = 0x2000;

/// `call TARGET` at `address`.
fn call(address: u64) -> Vec<u8> {
    let distance = (TARGET - address - 5) as u32;
    [&[0xe8][..], &distance.to_le_bytes()].concat()
}

/// The end of Write in Go 1.23: mov [rsp+0x38], rax; mov [rsp+0x78], rcx; test rbx, rbx; je +2
const SPILL_AND_TEST: [u8; 15] = [
    0x48, 0x89, 0x44, 0x24, 0x38, 0x48, 0x89, 0x4c, 0x24, 0x78, 0x48, 0x85, 0xdb, 0x74, 0x02,
];

#[test]
fn the_count_is_taken_from_rax_while_it_is_there() {
    let body = [call(0x1000), SPILL_AND_TEST.to_vec()].concat();
    let found = GoCode::new(&body, 0x1000).write_calls(TARGET).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].call.offset, found[0].call.emulated), (0, true));
    assert_eq!((found[0].behind.offset, found[0].count), (18, Count::Rax));
}

#[test]
fn the_count_is_taken_from_its_slot_once_rax_is_used_again() {
    // mov [rsp+0x38], rax; lea rax, [rip+0]; call TARGET, as in Go 1.19
    let mut body = [
        call(0x1000),
        vec![0x48, 0x89, 0x44, 0x24, 0x38, 0x48, 0x8d, 0x05, 0, 0, 0, 0],
    ]
    .concat();
    body.extend([0xe8, 0, 0, 0, 0]);
    let found = GoCode::new(&body, 0x1000).write_calls(TARGET).unwrap();
    assert_eq!((found[0].behind.offset, found[0].count), (17, Count::Slot(0x38)));
}

#[test]
fn a_count_that_is_gone_or_doubtful_is_not_taken() {
    let spill = [0x48, 0x89, 0x44, 0x24, 0x38];
    let lost: [&[u8]; 4] = [
        // lea rax, [rip+0]; je
        &[0x48, 0x8d, 0x05, 0, 0, 0, 0, 0x74, 0x02],
        // pop rbx: the stack pointer moves
        &[0x5b, 0x74, 0x02],
        // add rsp, 8; je
        &[0x48, 0x83, 0xc4, 0x08, 0x74, 0x02],
        // je to itself: others come there without the call
        &[0x74, 0xfe],
    ];
    for behind in lost {
        let body = [call(0x1000), behind.to_vec()].concat();
        assert_eq!(
            GoCode::new(&body, 0x1000).write_calls(TARGET),
            None,
            "{behind:x?}"
        );
    }
    // Spilled, overwritten by xmm15 (movups [rsp+0x30], xmm15), rax reused.
    let body = [
        call(0x1000),
        spill.to_vec(),
        vec![0x44, 0x0f, 0x11, 0x7c, 0x24, 0x30],
        vec![0x31, 0xc0, 0x74, 0x02],
    ]
    .concat();
    assert_eq!(GoCode::new(&body, 0x1000).write_calls(TARGET), None);
}

/// cmp rsp, [r14+0x10]; jbe; push rbp; mov rbp, rsp; sub rsp, 0x58; mov [rsp+0x68], rax
const PROLOGUE: [u8; 19] = [
    0x49, 0x3b, 0x66, 0x10, 0x76, 0x20, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x58, 0x48, 0x89, 0x44,
    0x24, 0x68,
];

#[test]
fn the_receiver_is_where_the_prologue_put_it() {
    let body = [PROLOGUE.to_vec(), call(0x1000 + 19)].concat();
    let code = GoCode::new(&body, 0x1000);
    assert!(code.has_register_abi());
    let found = code.read_copy(TARGET).unwrap();
    assert_eq!((found.call.offset, found.receiver), (19, 0x68));
    let entry = code.entry().unwrap();
    assert_eq!((entry.offset, entry.emulated), (4, true));
}

#[test]
fn a_receiver_that_is_stored_twice_or_a_second_copy_is_refused() {
    let again = [0x48, 0x89, 0x4c, 0x24, 0x68];
    let twice = [PROLOGUE.to_vec(), again.to_vec(), call(0x1000 + 24)].concat();
    assert_eq!(GoCode::new(&twice, 0x1000).read_copy(TARGET), None);
    let copies = [PROLOGUE.to_vec(), call(0x1000 + 19), call(0x1000 + 24)].concat();
    assert_eq!(GoCode::new(&copies, 0x1000).read_copy(TARGET), None);
}

#[test]
fn a_function_of_the_stack_abi_is_told() {
    // mov rcx, fs:[-8]; cmp rsp, [rcx+0x10], as before Go 1.17
    let old = [
        0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff, 0x48, 0x3b, 0x61, 0x10,
    ];
    assert!(!GoCode::new(&old, 0x1000).has_register_abi());
}

proptest! {
    #[test]
    fn any_code_is_decoded_without_a_panic(body in proptest::collection::vec(0u8.., 0..300), address: u64) {
        let code = GoCode::new(&body, address);
        for target in [address, address.wrapping_add(5), 0] {
            let _ = (code.write_calls(target), code.read_copy(target));
        }
        let _ = (code.entry(), code.has_register_abi());
    }
}
