//! Built components: their names and digests on file, and what they ask of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use wasmparser::{Parser, Payload};
use wit_bindgen_core::wit_parser::{IndexMap, WorldItem, WorldKey};
use wit_component::DecodedWasm;

const DIGESTS: &str = "DIGESTS";

/// File name → bytes.
pub(crate) type Components = BTreeMap<String, Vec<u8>>;

/// Writes the components and a line for each: `sha256:<hex>  <name>  <bytes>`.
pub(crate) fn write(folder: &Path, components: &Components) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, bytes) in components {
        fs::write(folder.join(name), bytes).with_context(|| format!("cannot write {name}"))?;
    }
    fs::write(folder.join(DIGESTS), digests(components))?;
    Ok(())
}

/// Reads the components that a DIGESTS file names, and fails when one is not what the file says.
pub(crate) fn read(folder: &Path) -> Result<Components> {
    let path = folder.join(DIGESTS);
    let listed = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut components = Components::new();
    for line in listed.lines() {
        let name = line.split_whitespace().nth(1).with_context(|| format!("no name in `{line}`"))?;
        let bytes = fs::read(folder.join(name)).with_context(|| format!("{} names {name}", path.display()))?;
        components.insert(name.to_owned(), bytes);
    }
    if digests(&components) != listed {
        bail!("{} does not agree with the files beside it", path.display());
    }
    Ok(components)
}

fn digests(components: &Components) -> String {
    let line = |(name, bytes): (&String, &Vec<u8>)| format!("{}  {name}  {}\n", digest(bytes), bytes.len());
    components.iter().map(line).collect()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// What a component asks of the host and offers to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Surface {
    pub(crate) imports: BTreeSet<String>,
    pub(crate) exports: BTreeSet<String>,
}

impl Surface {
    pub(crate) fn of(bytes: &[u8]) -> Result<Self> {
        if Parser::is_core_wasm(bytes) {
            return Self::of_core(bytes);
        }
        let DecodedWasm::Component(resolve, world) = wit_component::decode(bytes)? else {
            bail!("this is a WIT package, not a component");
        };
        let world = &resolve.worlds[world];
        // A type is no capability.
        let names = |items: &IndexMap<WorldKey, WorldItem>| {
            let items = items.iter().filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
            items.map(|(key, _)| resolve.name_world_key(key)).collect()
        };
        Ok(Self { imports: names(&world.imports), exports: names(&world.exports) })
    }

    /// A core module asks for the modules that it imports from; what WASI preview 1 is made of stays the compiler's choice.
    fn of_core(bytes: &[u8]) -> Result<Self> {
        let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        imports.insert(import?.module.to_owned());
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        exports.insert(export?.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(Self { imports, exports })
    }

    /// The imports that an action asks for, without those every program of the standard library carries:
    /// which of these there are, and in which version, is the compiler's choice.
    pub(crate) fn permissions(&self) -> BTreeSet<&str> {
        const CARRIED: [&str; 6] =
            ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi_snapshot_preview1"];
        let is_carried = |name: &str| CARRIED.iter().any(|prefix| name.starts_with(prefix));
        self.imports.iter().map(String::as_str).filter(|name| !is_carried(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let components = Components::from([("a.wasm".to_owned(), vec![1, 2, 3])]);
        write(folder.path(), &components).unwrap();
        assert_eq!(read(folder.path()).unwrap(), components);
        let listed = fs::read_to_string(folder.path().join(DIGESTS)).unwrap();
        // The digest of the bytes 1, 2, 3, as sha256sum prints it.
        let expected = "sha256:039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81  a.wasm  3\n";
        assert_eq!(listed, expected);
    }

    #[test]
    fn a_file_that_is_not_what_its_digest_says_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let components = Components::from([("a.wasm".to_owned(), vec![1, 2, 3])]);
        write(folder.path(), &components).unwrap();
        fs::write(folder.path().join("a.wasm"), [9]).unwrap();
        assert!(read(folder.path()).is_err());
    }

    #[test]
    fn a_core_module_asks_for_what_it_imports() {
        let path = crate::root().unwrap().join("examples/components/image_hash.wasm");
        let surface = Surface::of(&fs::read(path).unwrap()).unwrap();
        let asked: Vec<&str> = surface.permissions().into_iter().collect();
        assert_eq!(asked, ["fusebox:action/kv@0.1.0", "fusebox:action/log@0.1.0"]);
        assert!(surface.exports.contains("run"), "{:?}", surface.exports);
    }

    #[test]
    fn what_the_standard_library_carries_is_no_permission() {
        let names = ["fusebox:action/log@0.1.0", "wasi:cli/stderr@0.2.6", "wasi:http/outgoing-handler@0.2.6"];
        let imports = names.into_iter().map(str::to_owned).collect();
        let surface = Surface { imports, exports: BTreeSet::new() };
        let expected = BTreeSet::from([names[0], names[2]]);
        assert_eq!(surface.permissions(), expected);
    }
}
