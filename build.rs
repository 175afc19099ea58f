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

    /// Compiles the schema once and hands it to both generators. An error ends the build and says where it lies.
    pub fn generate() {
        let mut compiler = protox::Compiler::new(["proto"]).expect("the directory proto/ stands beside build.rs");
        compiler.include_source_info(true).include_imports(true);
        for file in FILES {
            if let Err(error) = compiler.open_file(file) {
                panic!("proto/{file} does not compile: {error:?}");
            }
        }

        tonic_prost_build::configure()
            // Keys and values are handed on, never copied.
            .bytes(".")
            .compile_fds(compiler.file_descriptor_set())
            .expect("prost and tonic generate code from a valid schema");

        pbjson_build::Builder::new()
            .register_descriptors(&compiler.encode_file_descriptor_set())
            .expect("a schema that was compiled just now can be read")
            .preserve_proto_field_names()
            .ignore_unknown_fields()
            .build(&PACKAGES)
            .expect("pbjson generates code from a valid schema");
    }
}
