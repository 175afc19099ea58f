//! Turns `proto/` into Rust: messages, services, and their JSON mapping. It needs no `protoc`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=proto");
    #[cfg(feature = "etcd")]
    schema::generate();
}

#[cfg(feature = "etcd")]
mod schema {
    const FILES: [&str; 7] = [
        "key_value.proto",
        "header.proto",
        "kv.proto",
        "watch.proto",
        "lease.proto",
        "cluster.proto",
        "maintenance.proto",
    ];
    const PACKAGES: [&str; 2] = [".mvccpb", ".etcdserverpb"];

    /// Compiles the schema and hands it to both generators. An error ends the build and says where it lies.
    pub fn generate() {
        tonic_prost_build::configure()
            // Keys and values are handed on, never copied.
            .bytes(".")
            .compile_fds_with_config(compile(true).file_descriptor_set(), with_names())
            .expect("prost and tonic generate code from a valid schema");

        let descriptors = compile(false).encode_file_descriptor_set();
        pbjson_build::Builder::new()
            .register_descriptors(&descriptors)
            .expect("a schema that was compiled just now can be read")
            .preserve_proto_field_names()
            .ignore_unknown_fields()
            .build(&PACKAGES)
            .expect("pbjson generates code from a valid schema");

        // The JSON gateway reads requests with the schema in hand; see src/etcd/json/decode.rs.
        let out_dir = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
        std::fs::write(std::path::Path::new(&out_dir).join("schema.bin"), descriptors)
            .expect("cargo's OUT_DIR can be written");
    }

    fn compile(with_comments: bool) -> protox::Compiler {
        let mut compiler =
            protox::Compiler::new(["proto"]).expect("the directory proto/ stands beside build.rs");
        compiler.include_source_info(with_comments).include_imports(true);
        for file in FILES {
            if let Err(error) = compiler.open_file(file) {
                panic!("proto/{file} does not compile: {error:?}");
            }
        }
        compiler
    }

    /// Every generated message can tell its name, by which its descriptor is found.
    fn with_names() -> tonic_prost_build::Config {
        let mut config = tonic_prost_build::Config::new();
        config.enable_type_names();
        config
    }
}
