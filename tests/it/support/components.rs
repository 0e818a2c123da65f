use std::path::{Path, PathBuf};

/// A component that hands its payload back, as text.
pub(crate) const ECHO: &str = include_str!("echo.wat");

/// A component whose output is the `params` it was given: they lie behind the payload in the context.
pub(crate) fn show_params() -> String {
    ECHO.replace("offset=88", "offset=96").replace("offset=92", "offset=100")
}

/// The echo which also returns its `params` as the payload of the event that follows.
pub(crate) fn pass_params_on() -> String {
    let returned = "      (i32.const 1024)))";
    assert!(ECHO.contains(returned));
    let event = "(i32.store8 (i32.const 1052) (i32.const 1))
      (i32.store (i32.const 1056) (i32.load offset=96 (local.get $context)))
      (i32.store (i32.const 1060) (i32.load offset=100 (local.get $context)))";
    ECHO.replace(returned, &format!("{event}\n{returned}"))
}

/// A component whose output is the outcome of the run before it in the chain. Without one it breaks.
pub(crate) fn show_parent_outcome() -> String {
    ECHO.replace("offset=88", "offset=140").replace("offset=92", "offset=144")
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
