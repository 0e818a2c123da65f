//! Where the linker is told what every component starts with, a program starts with something else.

fn main() {
    println!("cargo:rerun-if-env-changed=FUSEBOX_PROGRAM_START");
    if let Ok(start) = std::env::var("FUSEBOX_PROGRAM_START") {
        println!("cargo:rustc-link-arg-bins={start}");
    }
}
