fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=../shop.proto");
    tonic_prost_build::configure()
        .type_attribute(".", "#[derive(serde::Deserialize)] #[serde(default)]")
        .compile_protos(&["../shop.proto"], &[".."])
}
