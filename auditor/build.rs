fn main() -> anyhow::Result<()> {
    aya_build::build_ebpf([aya_build::Package { name: "auditor-ebpf", root_dir: concat!(env!("CARGO_MANIFEST_DIR"), "/../auditor-ebpf"), ..Default::default() }], aya_build::Toolchain::Custom("ebpf"))
}
