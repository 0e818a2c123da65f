use std::path::{Path, PathBuf};

/// A component that hands its payload back, as text.
pub(crate) const ECHO: &str = include_str!("echo.wat");

/// A component whose output is the `params` it was given: they lie behind the payload in the context.
pub(crate) fn show_params() -> String {
    ECHO.replace("offset=88", "offset=96").replace("offset=92", "offset=100")
}

/// The echo with another memory and another name for what it exports.
pub(crate) fn wat_with(memory_pages: u32, export: &str) -> String {
    ECHO.replace("(memory (export \"memory\") 2)", &format!("(memory (export \"memory\") {memory_pages})"))
        .replace("(export \"run\" (func $run)) ;; the export", &format!("(export \"{export}\" (func $run))"))
}

/// The bytes of a component that is checked in, or of one of that name in `FUSEBOX_COMPONENTS_DIR`.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = match std::env::var_os("FUSEBOX_COMPONENTS_DIR") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => vec![root.join("examples/components"), root.join("tests/guests/components")],
    };
    let paths = folders.iter().map(|folder| folder.join(format!("{name}.wasm")));
    let path = paths.clone().find(|path| path.exists());
    let path = path.unwrap_or_else(|| panic!("there is no component at any of {:?}", paths.collect::<Vec<_>>()));
    std::fs::read(path).unwrap()
}
