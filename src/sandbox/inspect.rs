//! What an upload is and what it asks for.

use super::guest;
use crate::domain::{Kind, Permission};
use serde::{Deserialize, Serialize};
use wasmparser::{ComponentTypeRef, Parser, Payload, TypeBounds, Validator, WasmFeatures};

/// What is wrong with an upload, in a form that says where and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Neither the binary nor the text format, or damaged. The message has the place.
    #[error("this is not a WebAssembly component or module: {0}")]
    Malformed(String),
    /// A core module that no component is made of.
    #[error(
        "this is a core module that exports neither `_start`, as a program for wasip1 does, nor `run` of the world \
         fusebox:action/action, nor has it a type section that says what it is{}; \
         build a component (wasm32-wasip2), or make one with `wasm-tools component new`",
        found(exports)
    )]
    CoreModule { exports: Vec<String> },
    /// All imports of a core module that nothing answers.
    #[error(
        "it imports {}, which is not offered; a core module has functions of `wasi_snapshot_preview1` and interfaces \
         by their names, such as `fusebox:action/log@0.1.0`{advice}",
        names(imports)
    )]
    CoreImports { imports: Vec<String>, advice: String },
    /// A core module of which no component could be made.
    #[error("this core module cannot be made a component: {0}")]
    NotWrapped(String),
    /// Imports that no interface of the host answers; all of them.
    #[error("it imports {}, which is not offered; offered are {}", names(imports), names(offered))]
    ForeignImports { imports: Vec<String>, offered: Vec<String> },
    /// An interface of the host, but not as the host has it.
    #[error("its import `{import}` does not fit what the host offers: {message}")]
    ImportType { import: String, message: String },
    /// None of the exports is what a kind of guest has.
    #[error(
        "it exports nothing that is run here; expected is {}{}{}",
        any(expected),
        found(exports),
        others(other_versions)
    )]
    NoKind { exports: Vec<String>, expected: Vec<String>, other_versions: Vec<String> },
    #[error("its export `{export}` is not of the expected type `{expected}`: {message}")]
    ExportType { export: String, expected: String, message: String },
    /// More than any attempt may have.
    #[error("it starts with a memory of {asked} bytes; {allowed} are allowed")]
    MemoryOverLimit { asked: u64, allowed: u64 },
    /// The compiler or the engine could not deal with it, or not within their limits.
    #[error("it cannot be compiled: {0}")]
    NotCompiled(String),
}

fn names(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn any(expected: &[String]) -> String {
    let quoted: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" or ")
}

fn found(exports: &[String]) -> String {
    if exports.is_empty() { "; it exports nothing".to_owned() } else { format!("; found are {}", names(exports)) }
}

fn others(versions: &[String]) -> String {
    let are = if versions.len() == 1 { "is" } else { "are" };
    if versions.is_empty() { String::new() } else { format!("; of another version {are} {}", names(versions)) }
}

impl Refusal {
    /// Where in the upload it is: `imports/<name>` or `exports/<name>`, for each thing that is wrong.
    pub fn places(&self) -> Vec<String> {
        match self {
            Refusal::ForeignImports { imports, .. } | Refusal::CoreImports { imports, .. } => {
                imports.iter().map(|name| format!("imports/{name}")).collect()
            }
            Refusal::ImportType { import, .. } => vec![format!("imports/{import}")],
            Refusal::ExportType { export, .. } => vec![format!("exports/{export}")],
            Refusal::NoKind { other_versions, .. } if !other_versions.is_empty() => {
                other_versions.iter().map(|name| format!("exports/{name}")).collect()
            }
            Refusal::NoKind { .. } | Refusal::CoreModule { .. } => vec!["exports".to_owned()],
            _ => Vec::new(),
        }
    }
}

/// Exports that are told; what is run is one, and few have another.
const EXPORTS_MAX: usize = 100;

/// What a component is, told without compiling it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) kind: Kind,
    pub(super) imports: Vec<Permission>,
    /// By name.
    pub(super) exports: Vec<String>,
    /// How a component was made of it, if it was none.
    pub(super) wrapped: Option<String>,
}

/// Checks everything that can be told of a component without compiling: the format, the imports and exports by name, the declared
/// memory, and that all of it is valid with the `features` that the engine has.
///
/// # Errors
/// The first thing that is wrong; of foreign imports all.
pub(super) fn inspect(wasm: &[u8], features: WasmFeatures, memory_bytes_max: u64) -> Result<Facts, Refusal> {
    let mut outline = Outline::default();
    for payload in Parser::new(0).parse_all(wasm) {
        outline.see(&payload.map_err(malformed)?)?;
    }
    Validator::new_with_features(features).validate_all(wasm).map_err(malformed)?;
    if outline.memory_bytes_max > memory_bytes_max {
        return Err(Refusal::MemoryOverLimit { asked: outline.memory_bytes_max, allowed: memory_bytes_max });
    }
    let foreign: Vec<String> = outline.imports.iter().filter(|name| offer_of(name).is_none()).cloned().collect();
    if !foreign.is_empty() {
        let offered = OFFERS.iter().map(|offer| offer.interface.to_owned()).collect();
        return Err(Refusal::ForeignImports { imports: foreign, offered });
    }
    let kind = guest::kind(&outline.exports.iter().map(String::as_str).collect::<Vec<_>>())?;
    let imports = outline.imports.into_iter().filter_map(|import| permission(kind, import)).collect();
    let exports = outline.exports.into_iter().take(EXPORTS_MAX).collect();
    Ok(Facts { kind, imports, exports, wrapped: None })
}

pub(super) fn malformed(error: wasmparser::BinaryReaderError) -> Refusal {
    Refusal::Malformed(format!("{} (at byte {})", error.message(), error.offset()))
}

/// What is seen in one pass over a binary.
#[derive(Default)]
struct Outline {
    /// How deep in nested components and modules the parser is; 0 is the upload itself.
    depth: u32,
    imports: Vec<String>,
    exports: Vec<String>,
    /// The largest memory that any module in it starts with.
    memory_bytes_max: u64,
}

impl Outline {
    fn see(&mut self, payload: &Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => self.depth += 1,
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::MemorySection(memories) => {
                for memory in memories.clone() {
                    let memory = memory.map_err(malformed)?;
                    let page_bytes = 1_u64.checked_shl(memory.page_size_log2.unwrap_or(16)).unwrap_or(u64::MAX);
                    self.memory_bytes_max = self.memory_bytes_max.max(memory.initial.saturating_mul(page_bytes));
                }
            }
            Payload::ComponentImportSection(imports) if self.depth == 0 => {
                for import in imports.clone() {
                    let import = import.map_err(malformed)?;
                    // A world that uses types of an interface imports their names; there is nothing to give for them.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        self.imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(exports) if self.depth == 0 => {
                for export in exports.clone() {
                    self.exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// An interface that the host offers, and what that means to whoever lets a component run.
struct Offer {
    /// With the version whose compatible ones are offered.
    interface: &'static str,
    grants: &'static str,
}

const fn offer(interface: &'static str, grants: &'static str) -> Offer {
    Offer { interface, grants }
}

const OFFERS: &[Offer] = &[
    offer("fusebox:action/types@0.1", ""),
    offer("fusebox:action/log@0.1", "write lines to the log of the run"),
    offer("fusebox:action/http@0.1", "send HTTP requests to the hosts that its action and sink type allow"),
    offer("wasi:http/outgoing-handler@0.2", "send HTTP requests to the hosts that its action and sink type allow"),
    offer("wasi:http/types@0.2", ""),
    offer("fusebox:action/budget@0.1", "see what is left to it, and be given a moment when it is cancelled"),
    offer("fusebox:action/kv@0.1", "keep values from run to run"),
    offer("fusebox:action/emit@0.1", "fire further events when it succeeds"),
    offer("wasi:cli/stdin@0.2", "read its standard input, which is empty"),
    offer("wasi:cli/stdout@0.2", "print lines, which go to the log of the run"),
    offer("wasi:cli/stderr@0.2", "print lines, which go to the log of the run as warnings"),
    offer("wasi:cli/environment@0.2", "read environment variables and arguments, of which there are none"),
    offer("wasi:cli/exit@0.2", "end itself"),
    offer("wasi:cli/terminal-input@0.2", "ask about a terminal, of which there is none"),
    offer("wasi:cli/terminal-output@0.2", "ask about a terminal, of which there is none"),
    offer("wasi:cli/terminal-stdin@0.2", "ask about a terminal, of which there is none"),
    offer("wasi:cli/terminal-stdout@0.2", "ask about a terminal, of which there is none"),
    offer("wasi:cli/terminal-stderr@0.2", "ask about a terminal, of which there is none"),
    offer("wasi:clocks/wall-clock@0.2", "read the time"),
    offer("wasi:clocks/monotonic-clock@0.2", "measure time and sleep"),
    offer("wasi:random/random@0.2", "draw random numbers"),
    offer("wasi:random/insecure@0.2", "draw random numbers"),
    offer("wasi:random/insecure-seed@0.2", "draw a random number"),
    offer("wasi:io/error@0.2", "read error messages"),
    offer("wasi:io/poll@0.2", "wait"),
    offer("wasi:io/streams@0.2", "read and write the streams it was given"),
    offer("wasi:filesystem/types@0.2", "use files, of which it is given none"),
    offer("wasi:filesystem/preopens@0.2", "use files, of which it is given none"),
    offer("wasi:sockets/network@0.2", "ask for the network, which it is denied"),
    offer("wasi:sockets/instance-network@0.2", "ask for the network, which it is denied"),
    offer("wasi:sockets/ip-name-lookup@0.2", "ask for the network, which it is denied"),
    offer("wasi:sockets/tcp@0.2", "ask for the network, which it is denied"),
    offer("wasi:sockets/tcp-create-socket@0.2", "ask for the network, which it is denied"),
    offer("wasi:sockets/udp@0.2", "ask for the network, which it is denied"),
    offer("wasi:sockets/udp-create-socket@0.2", "ask for the network, which it is denied"),
];

/// The offer that an import is for. Versions that differ in the last number only are compatible.
fn offer_of(import: &str) -> Option<&'static Offer> {
    let track = import.rsplit_once('.').map(|(track, _)| track);
    OFFERS.iter().find(|offer| track == Some(offer.interface))
}

/// What an import asks for. Types alone ask for nothing.
fn permission(kind: Kind, import: String) -> Option<Permission> {
    let offer = offer_of(&import)?;
    let grants = match (kind, offer.interface) {
        (Kind::Command, "wasi:cli/stdin@0.2") => "read its standard input, which is the context",
        (Kind::Command, "wasi:cli/stdout@0.2") => "print its output",
        _ => offer.grants,
    };
    (!grants.is_empty()).then(|| Permission { import, grants: grants.to_owned() })
}
