//! An adapter for WASI preview 1 that needs no memory: what core modules call, in terms of WASI 0.2.
//!
//! The stock adapter takes two pages of the module's memory, for its stack and its state. Go's runtime takes everything after
//! its own data for its heap, without asking what somebody else grew there, so each overwrites the other's. This one keeps nothing
//! in memory, which it can as there are no files, arguments and variables here; `preview1.wat` is all of it.
//!
//! While a value is handed to a component, which calls its `cabi_realloc` for that, the component may call nothing. Go's runtime
//! asks for the time there, as it does whenever it looks after its memory. So such a module is [`marked`], and
//! the adapter answers with the time it knows.

use super::inspect::{Refusal, malformed};
use super::wrap::{HEADER_BYTES, put_number, put_text};
use std::borrow::Cow;
use wasmparser::{BinaryReader, ExternalKind, Parser, Payload, TypeRef};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const TEXT: &str = include_str!("preview1.wat");
const TYPES: &str = include_str!("preview1.wit");

/// The export of a marked module that says whether it is in its `cabi_realloc`.
const MARK: &str = "in_realloc";
const IMPORTED_MARK: &str = r#"(import "__main_module__" "in_realloc" (global $in-realloc (mut i32)))"#;
const OWN_MARK: &str = "(global $in-realloc (mut i32) (i32.const 0))";

pub(super) const REALLOC: &str = "cabi_realloc";

/// Whether a module is [`marked`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    There,
    None,
}

/// The adapter with the type of `world`: `command`, which runs the module's `_start`, or `reactor`.
///
/// # Errors
/// None that its texts leave room for.
pub(super) fn adapter(world: &str, mark: Mark) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let mut adapter = match mark {
        Mark::There => wat::parse_str(TEXT)?,
        Mark::None => wat::parse_str(TEXT.replace(IMPORTED_MARK, OWN_MARK))?,
    };
    let mut types = Resolve::default();
    let package = types.push_str("preview1.wit", TYPES)?;
    let world = types.select_world(&[package], Some(world))?;
    embed_component_metadata(&mut adapter, &types, world, StringEncoding::UTF8)?;
    Ok(adapter)
}

/// What is changed and added in a module that is marked.
#[derive(Default)]
struct Places {
    imported_functions: u32,
    /// The type of each function that the module defines.
    types: Vec<u32>,
    globals: u32,
    realloc: Option<u32>,
}

impl Places {
    fn of(module: &[u8]) -> Result<Places, Refusal> {
        let mut places = Places::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(malformed)? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import.map_err(malformed)?.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => places.imported_functions += 1,
                            TypeRef::Global(_) => places.globals += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(types) => {
                    places.types = types.into_iter().collect::<Result<_, _>>().map_err(malformed)?;
                }
                Payload::GlobalSection(globals) => places.globals += globals.count(),
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export.map_err(malformed)?;
                        if (export.name, export.kind) == (REALLOC, ExternalKind::Func) {
                            places.realloc = Some(export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(places)
    }
}

/// The module, valid as it is, with a global that is 1 while it is in its `cabi_realloc`; as it is if it exports none of its own.
pub(super) fn marked(module: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    let places = Places::of(module)?;
    let Some(realloc) = places.realloc else { return Ok(None) };
    let type_of = realloc.checked_sub(places.imported_functions).and_then(|index| places.types.get(index as usize));
    let (Some(ty), true) = (type_of, places.globals > 0) else { return Ok(None) };
    let function = places.imported_functions as usize + places.types.len();
    let mut changed = module.get(..HEADER_BYTES).unwrap_or(module).to_vec();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(malformed)?;
        let Some((id, range)) = payload.as_section() else { continue };
        let content = &module[range];
        let content: Cow<'_, [u8]> = match payload {
            Payload::FunctionSection(_) => with_one_more(content, &number(*ty as usize))?.into(),
            // A changeable i32 that begins as 0
            Payload::GlobalSection(_) => with_one_more(content, &[0x7f, 0x01, 0x41, 0x00, 0x0b])?.into(),
            Payload::CodeSectionStart { .. } => with_one_more(content, &body(realloc, places.globals))?.into(),
            Payload::ExportSection(exports) => {
                let mut list = Vec::new();
                put_number(&mut list, exports.count() as usize);
                for export in exports {
                    let export = export.map_err(malformed)?;
                    let is_realloc = (export.name, export.kind) == (REALLOC, ExternalKind::Func);
                    put_export(
                        &mut list,
                        export.name,
                        export.kind,
                        if is_realloc { function } else { export.index as usize },
                    );
                }
                let mut mark = Vec::new();
                put_export(&mut mark, MARK, ExternalKind::Global, places.globals as usize);
                with_one_more(&list, &mark)?.into()
            }
            _ => content.into(),
        };
        changed.push(id);
        put_number(&mut changed, content.len());
        changed.extend_from_slice(&content);
    }
    Ok(Some(changed))
}

/// A section that is a list, with another item at its end.
fn with_one_more(list: &[u8], item: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut reader = BinaryReader::new(list, 0);
    let count = reader.read_var_u32().map_err(malformed)?;
    let mut longer = number(count as usize + 1);
    longer.extend_from_slice(&list[reader.current_position()..]);
    longer.extend_from_slice(item);
    Ok(longer)
}

/// `(global.set $mark (i32.const 1)) (call $realloc …) (global.set $mark (i32.const 0))`, with the arguments of the function.
fn body(realloc: u32, mark: u32) -> Vec<u8> {
    let (realloc, mark) = (number(realloc as usize), number(mark as usize));
    let set = |value: u8| [&[0x41, value, 0x24][..], &mark].concat();
    let arguments = [0x20, 0x00, 0x20, 0x01, 0x20, 0x02, 0x20, 0x03];
    // It begins with how many kinds of locals there are.
    let code = [&[0x00][..], &set(1), &arguments, &[0x10], &realloc, &set(0), &[0x0b]].concat();
    [number(code.len()), code].concat()
}

fn put_export(list: &mut Vec<u8>, name: &str, kind: ExternalKind, index: usize) {
    put_text(list, name);
    list.push(match kind {
        ExternalKind::Func | ExternalKind::FuncExact => 0,
        ExternalKind::Table => 1,
        ExternalKind::Memory => 2,
        ExternalKind::Global => 3,
        ExternalKind::Tag => 4,
    });
    put_number(list, index);
}

fn number(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_number(&mut bytes, number);
    bytes
}
