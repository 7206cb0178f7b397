use auditor::capture::{load::*, attach::*, tls::Library};
use auditor_common::counter::Counter;
fn main() {
    let tier = std::env::args().nth(2).and_then(|t| auditor::capture::support::SocketTier::from_name(&t));
    let s = Settings { node: false, max_call_bytes: 1<<20, ring_bytes: 4<<20, rings: 2, tier, cgroups: true };
    let (mut k, mut rings) = match Kernel::load(&s) { Ok(x) => x, Err(e) => { let t = e.to_string(); for part in t.split("; ").filter(|p| p.contains("refused the program") ) { let n = part.len(); eprintln!("{} ... {}", &part[..n.min(150)], &part[n.saturating_sub(600)..]); } std::fs::write("/tmp/load.err", t).unwrap(); std::process::exit(1) } };
    println!("tier {:?} refused {:?}", k.tier, k.refused);
    let mut a = Attachments::default();
    for (l, p) in host_libraries() { println!("{:?} {:?}", p, a.attach(&mut k, l, &p)); }
    let cmd = std::env::args().nth(1).unwrap();
    let mut child = std::process::Command::new("sh").arg("-c").arg(format!("sleep 0.2; {cmd}")).spawn().unwrap();
    k.watch_tree(child.id()).unwrap();
    loop {
        let done = child.try_wait().unwrap().is_some();
        auditor::capture::ring::drain(&mut rings.control, 1000, |r| println!("{:?} tgid {}", r.kind, r.header.tgid));
        for ring in &mut rings.data { auditor::capture::ring::drain(ring, 100000, |r| println!("{:?} {:?} stream {:x} cookie {} off {} len {} total {} in {} fl {}", r.kind, r.source, r.header.stream, r.header.cookie, r.header.offset, r.header.len, r.header.total, r.header.ingress, r.header.flags)); }
        if done { break }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    for c in 0..Counter::LEN { let c: Counter = unsafe { std::mem::transmute(c) }; println!("{c:?} {}", k.counter(c)); }
    let _ = Library::ALL;
}
