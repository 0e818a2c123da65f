//! Core modules are made components: with an adapter for WASI preview 1, and the contract where they leave it out.

use super::inspect::{Refusal, malformed};
use super::preview1::{self, Mark};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::ValType::I32;
use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{BinaryReader, ExternalKind, ImportSectionReader, Parser, Payload, ValType, Validator, WasmFeatures};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract, for modules that export `run` and say nothing of its type.
const CONTRACT: &str = include_str!("../../guest-sdk/wit/action.wit");
const WORLD: &str = "action";
/// Of the package that has the adapters.
const ADAPTER_VERSION: &str = "48.0.8";

/// Custom sections of this name have the type that the module should have as a component.
const TYPE_SECTION: &str = "component-type";

/// What Go's linker writes into every module. Its runtime takes all memory from its own end on, also what somebody else grew.
const GO_SECTION: &str = "go:buildid";

pub(super) struct Wrapped {
    pub(super) component: Vec<u8>,
    /// What was made, and with what.
    pub(super) how: String,
}

/// Which way a core module becomes a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A program: it exports `_start`.
    Program,
    /// It says itself what it is.
    Typed,
    /// It exports `run`, which is taken for the contract's.
    Untyped,
}

/// A function that a module has to export: its name, its parameters, its results.
type Signature = (&'static str, &'static [ValType], &'static [ValType]);

const PROGRAM: &[Signature] = &[("_start", &[], &[])];
/// As the canonical ABI has the contract's `run`: the context is passed by its address, and so is what comes back.
const ACTION: &[Signature] = &[("run", &[I32], &[I32]), ("cabi_realloc", &[I32, I32, I32, I32], &[I32])];

impl Way {
    fn check_exports(self, types: TypesRef<'_>) -> Result<(), Refusal> {
        let export = |name: &str| types.core_exports()?.find_map(|(export, ty)| (export == name).then_some(ty));
        let signatures = match self {
            Way::Program => PROGRAM,
            Way::Untyped => ACTION,
            // What its type section says is checked by whoever reads that.
            Way::Typed => &[],
        };
        for (name, params, results) in signatures {
            let message = match export(name) {
                Some(EntityType::Func(id)) => {
                    let found = types[id].unwrap_func();
                    if (found.params(), found.results()) == (*params, *results) {
                        continue;
                    }
                    format!("it is {}", signature(found.params(), found.results()))
                }
                Some(_) => "it is not a function".to_owned(),
                None => "there is none".to_owned(),
            };
            let expected = signature(params, results);
            return Err(Refusal::ExportType { export: (*name).to_owned(), expected, message });
        }
        if self == Way::Untyped && !matches!(export("memory"), Some(EntityType::Memory(_))) {
            let (export, expected) = ("memory".to_owned(), "memory".to_owned());
            return Err(Refusal::ExportType { export, expected, message: "there is none".to_owned() });
        }
        Ok(())
    }
}

fn signature(params: &[ValType], results: &[ValType]) -> String {
    let list = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", list(params), list(results))
}

/// Makes a component of the core module `module`.
///
/// # Errors
/// It is not valid with these `features`, is none of the modules that are taken, or asks for what there is not.
pub(super) fn wrap(module: &[u8], features: WasmFeatures) -> Result<Wrapped, Refusal> {
    let types = Validator::new_with_features(features).validate_all(module).map_err(malformed)?;
    let outline = Outline::of(module)?;
    let way = outline.way()?;
    let marked = if outline.is_go { preview1::marked(module)? } else { None };
    let mark = if marked.is_some() { Mark::There } else { Mark::None };
    let adapter = Adapter::of(&outline, way, mark).map_err(|error| Refusal::NotWrapped(causes(error.as_ref())))?;
    outline.check_imports(&adapter.bytes)?;
    way.check_exports(types.as_ref())?;
    let module = marked.as_deref().unwrap_or(module);
    // A module that is made to break this must not look like a fault of the server.
    let encoded = catch_unwind(AssertUnwindSafe(|| encode(module, way, &adapter)));
    let component = match encoded {
        Ok(encoded) => encoded.map_err(|error| Refusal::NotWrapped(causes(error.as_ref())))?,
        Err(_) => {
            return Err(Refusal::NotWrapped(
                "its type section or its exports are beyond what is understood".to_owned(),
            ));
        }
    };
    let how = if way == Way::Program || outline.imports.iter().any(|(from, _)| from == PREVIEW1) {
        format!("core module, wasip1 {}", adapter.name)
    } else {
        "core module, no adapter".to_owned()
    };
    Ok(Wrapped { component, how })
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// What a module has instead of WASI preview 1.
struct Adapter {
    bytes: Cow<'static, [u8]>,
    name: String,
    is_stock: bool,
}

impl Adapter {
    fn of(outline: &Outline, way: Way, mark: Mark) -> Result<Adapter, AnyError> {
        let (stock, name) = match way {
            Way::Program => (WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, "command"),
            Way::Typed | Way::Untyped => (WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER, "reactor"),
        };
        Ok(if outline.is_go {
            let bytes = preview1::adapter(name, mark)?.into();
            Adapter { bytes, name: format!("{name} adapter without memory"), is_stock: false }
        } else {
            Adapter { bytes: stock.into(), name: format!("{name} adapter {ADAPTER_VERSION}"), is_stock: true }
        })
    }
}

/// The last steps, in the terms of those who make components.
fn encode(module: &[u8], way: Way, adapter: &Adapter) -> Result<Vec<u8>, AnyError> {
    let tells_status = way == Way::Program && adapter.is_stock;
    let mut module = if tells_status { with_status(module)? } else { module.to_vec() };
    if way == Way::Untyped {
        let mut contract = Resolve::default();
        let package = contract.push_str("action.wit", CONTRACT)?;
        let world = contract.select_world(&[package], Some(WORLD))?;
        embed_component_metadata(&mut module, &contract, world, StringEncoding::UTF8)?;
    }
    let mut encoder = ComponentEncoder::default().module(&module)?.adapter(PREVIEW1, &adapter.bytes)?;
    // Runtimes that are not started yet when the stock adapter needs memory would trap in their allocator.
    encoder = encoder.realloc_via_memory_grow(true);
    Ok(encoder.encode()?)
}

/// What the stock adapter calls when a program exits says success or failure and no more. So the program itself calls what takes
/// its status, which for the module is a function of the same type: the last 8 bits count, as everywhere.
const EXIT: (&str, &str) = (PREVIEW1, "proc_exit");
const EXIT_WITH_STATUS: (&str, &str) = ("wasi:cli/exit@0.2.12", "exit-with-code");

/// The module, valid as it is, with its exit going there.
fn with_status(module: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut changed = module.get(..HEADER_BYTES).unwrap_or(module).to_vec();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(malformed)?;
        let Some((id, range)) = payload.as_section() else { continue };
        let content = match payload {
            Payload::ImportSection(imports) => Cow::Owned(renamed(imports, &module[..range.end])?),
            _ => Cow::Borrowed(&module[range]),
        };
        changed.push(id);
        put_number(&mut changed, content.len());
        changed.extend_from_slice(&content);
    }
    Ok(changed)
}

/// The magic number and the version, before the sections.
pub(super) const HEADER_BYTES: usize = 8;

/// The imports, which end where `module` ends, with another name for the exit.
fn renamed(imports: ImportSectionReader<'_>, module: &[u8]) -> Result<Vec<u8>, Refusal> {
    let found = imports.into_imports_with_offsets().collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    let mut changed = Vec::new();
    put_number(&mut changed, found.len());
    let ends = found.iter().skip(1).map(|(start, _)| *start).chain([module.len()]);
    for ((start, import), end) in found.iter().zip(ends) {
        let mut reader = BinaryReader::new(&module[*start..end], *start);
        let names = (reader.read_string().map_err(malformed)?, reader.read_string().map_err(malformed)?);
        debug_assert_eq!(names, (import.module, import.name));
        let (from, name) = if names == EXIT { EXIT_WITH_STATUS } else { names };
        put_text(&mut changed, from);
        put_text(&mut changed, name);
        changed.extend_from_slice(&module[*start + reader.current_position()..end]);
    }
    Ok(changed)
}

/// As the format has texts: with their length before them.
pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_number(bytes, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

/// As the format has numbers: LEB128.
pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// An error with its causes: the last is what is wrong, those before it say where.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What a core module has.
#[derive(Default)]
struct Outline {
    /// From where, and what.
    imports: Vec<(String, String)>,
    /// Functions only.
    exports: Vec<String>,
    is_typed: bool,
    /// Made by Go's own linker.
    is_go: bool,
}

impl Outline {
    fn of(module: &[u8]) -> Result<Outline, Refusal> {
        let mut outline = Outline::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(malformed)? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import.map_err(malformed)?;
                        outline.imports.push((import.module.to_owned(), import.name.to_owned()));
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export.map_err(malformed)?;
                        if export.kind == ExternalKind::Func {
                            outline.exports.push(export.name.to_owned());
                        }
                    }
                }
                Payload::CustomSection(section) => {
                    outline.is_typed |= section.name().starts_with(TYPE_SECTION);
                    outline.is_go |= section.name() == GO_SECTION;
                }
                _ => {}
            }
        }
        Ok(outline)
    }

    fn way(&self) -> Result<Way, Refusal> {
        let exports = |name: &str| self.exports.iter().any(|export| export == name);
        if exports("_start") {
            Ok(Way::Program)
        } else if self.is_typed {
            Ok(Way::Typed)
        } else if exports("run") {
            Ok(Way::Untyped)
        } else {
            Err(Refusal::CoreModule { exports: self.exports.clone() })
        }
    }

    /// Imports of interfaces are looked at once there is a component that has them; the rest is answered here or never.
    fn check_imports(&self, adapter: &[u8]) -> Result<(), Refusal> {
        let offered: BTreeSet<String> = Outline::of(adapter)?.exports.into_iter().collect();
        let is_foreign = |(from, name): &&(String, String)| match from.as_str() {
            PREVIEW1 => !offered.contains(name),
            from => !from.contains(':') && !from.starts_with(['$', '[']),
        };
        let foreign: Vec<&(String, String)> = self.imports.iter().filter(is_foreign).collect();
        if foreign.is_empty() {
            return Ok(());
        }
        let advice: BTreeSet<&str> = foreign.iter().filter_map(|(from, _)| advice(from)).collect();
        Err(Refusal::CoreImports {
            imports: foreign.iter().map(|(from, name)| format!("{from}.{name}")).collect(),
            advice: advice.iter().map(|advice| format!("; {advice}")).collect(),
        })
    }
}

/// What to do about imports from there.
fn advice(from: &str) -> Option<&'static str> {
    Some(match from {
        "env" => "functions of `env` are those that nobody defined when the module was linked",
        "gojs" | "go" => "build Go with GOOS=wasip1, not GOOS=js",
        "wasi_unstable" => "that is a WASI before preview 1: build for wasip1",
        "wasi" => "threads are not offered: build for wasip1 without them",
        from if from == "wbg" || from.starts_with("__wbindgen") => {
            "that is made for JavaScript: build for wasm32-wasip2, without wasm-bindgen"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_told_is_that_of_the_adapter() {
        let lock = include_str!("../../Cargo.lock");
        let package = format!("name = \"wasi-preview1-component-adapter-provider\"\nversion = \"{ADAPTER_VERSION}\"");
        assert!(lock.contains(&package));
    }
}
