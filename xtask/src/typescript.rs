//! The contract as TypeScript, for the kit: what its glue calls is checked against it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use wit_bindgen_core::wit_parser::{
    Docs, Function, Interface, Resolve, Result_, Type, TypeDefKind, TypeId, TypeOwner, WorldItem, WorldKey,
};

use crate::root;

const HEAD: &str = "\
// Written by `cargo xtask bindings` from the contract in guest-sdk/wit; never edited.
// How a component's engine sees it: names in camel case, numbers as numbers (64 bits of them as far as 2^53 is exact),
// nothing as null. A function that refuses throws the value that is named behind it.
";

pub(crate) fn write() -> Result<()> {
    let path = path()?;
    fs::write(&path, generate()?).with_context(|| format!("cannot write {}", path.display()))
}

pub(crate) fn check() -> Result<()> {
    let path = path()?;
    let checked_in = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if checked_in != generate()? {
        bail!("{} is stale: run `cargo xtask bindings` and commit the result", path.display());
    }
    Ok(())
}

fn path() -> Result<PathBuf> {
    Ok(root()?.join("guest-sdk/javascript/src/contract.d.ts"))
}

fn generate() -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(root()?.join("guest-sdk/wit"))?;
    let world = resolve.select_world(&[package], Some("action"))?;
    let writer = Writer { resolve: &resolve };
    let mut text = HEAD.to_owned();
    for (key, item) in &resolve.worlds[world].imports {
        if let (WorldKey::Interface(_), WorldItem::Interface { id, .. }) = (key, item) {
            text.push_str(&writer.interface(&resolve.interfaces[*id])?);
        }
    }
    for item in resolve.worlds[world].exports.values() {
        if let WorldItem::Function(function) = item {
            let signature = writer.signature(function)?;
            let module = "declare module \"fusebox:action\"";
            text.push_str(&format!(
                "\n{module} {{\n  import {{ Context, Failure, Outcome }} from \"fusebox:action/types\";\n"
            ));
            text.push_str(&format!("  export function {}{signature}\n}}\n", function.name));
        }
    }
    Ok(text)
}

struct Writer<'a> {
    resolve: &'a Resolve,
}

impl Writer<'_> {
    fn interface(&self, interface: &Interface) -> Result<String> {
        let name = interface.name.as_deref().context("an interface without a name")?;
        let mut text = format!("\ndeclare module \"fusebox:action/{name}\" {{\n");
        for (name, id) in &interface.types {
            text.push_str(&self.declaration(name, *id)?);
        }
        if !interface.functions.is_empty() {
            text.push_str("  const host: {\n");
            for function in interface.functions.values() {
                let signature = self.signature(function)?;
                text.push_str(&docs(&function.docs, "    "));
                text.push_str(&format!("    {}{signature}\n", camel(&function.name)));
            }
            text.push_str("  };\n  export default host;\n");
        }
        Ok(text + "}\n")
    }

    fn declaration(&self, name: &str, id: TypeId) -> Result<String> {
        let defined = &self.resolve.types[id];
        let (about, name) = (docs(&defined.docs, "  "), pascal(name));
        let body = match &defined.kind {
            TypeDefKind::Type(Type::Id(of)) => return self.import(*of),
            TypeDefKind::Record(record) => {
                let mut body = format!("  export interface {name} {{\n");
                for field in &record.fields {
                    let kind = self.name(&field.ty)?;
                    body.push_str(&docs(&field.docs, "    "));
                    body.push_str(&format!("    {}: {kind};\n", camel(&field.name)));
                }
                body + "  }\n"
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| match &case.ty {
                    Some(kind) => Ok(format!("{{ tag: {:?}; val: {} }}", case.name, self.name(kind)?)),
                    None => Ok(format!("{{ tag: {:?} }}", case.name)),
                });
                alias(&name, &cases.collect::<Result<Vec<_>>>()?.join(" | "))
            }
            TypeDefKind::Enum(of) => {
                let cases: Vec<_> = of.cases.iter().map(|case| format!("{:?}", case.name)).collect();
                alias(&name, &cases.join(" | "))
            }
            kind => alias(&name, &self.kind(kind)?),
        };
        Ok(about + &body)
    }

    /// A type of another interface, under its own name.
    fn import(&self, id: TypeId) -> Result<String> {
        let defined = &self.resolve.types[id];
        let (Some(name), TypeOwner::Interface(owner)) = (&defined.name, defined.owner) else {
            bail!("a type that is imported has a name and an interface");
        };
        let from = self.resolve.interfaces[owner].name.as_deref().context("an interface without a name")?;
        Ok(format!("  import {{ {} }} from \"fusebox:action/{from}\";\n", pascal(name)))
    }

    fn signature(&self, function: &Function) -> Result<String> {
        let parameter = |name: &str, kind: &Type| Ok(format!("{}: {}", camel(name), self.name(kind)?));
        let parameters = function.params.iter().map(|param| parameter(&param.name, &param.ty));
        let parameters = parameters.collect::<Result<Vec<_>>>()?.join(", ");
        let (result, thrown) = match &function.result {
            None => ("void".to_owned(), String::new()),
            Some(kind) => match self.result(kind) {
                Some(Result_ { ok, err }) => {
                    let ok = ok.as_ref().map_or(Ok("void".to_owned()), |kind| self.name(kind))?;
                    let err = err.as_ref().map_or(Ok("undefined".to_owned()), |kind| self.name(kind))?;
                    (ok, format!(" // throws {err}"))
                }
                None => (self.name(kind)?, String::new()),
            },
        };
        Ok(format!("({parameters}): {result};{thrown}"))
    }

    fn result(&self, kind: &Type) -> Option<&Result_> {
        let Type::Id(id) = kind else { return None };
        match &self.resolve.types[*id].kind {
            TypeDefKind::Result(result) => Some(result),
            _ => None,
        }
    }

    fn name(&self, kind: &Type) -> Result<String> {
        Ok(match kind {
            Type::Bool => "boolean".to_owned(),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S8 | Type::S16 | Type::S32 | Type::S64 => {
                "number".to_owned()
            }
            Type::F32 | Type::F64 => "number".to_owned(),
            Type::String | Type::Char => "string".to_owned(),
            Type::Id(id) => match &self.resolve.types[*id] {
                defined if defined.name.is_some() => pascal(defined.name.as_deref().unwrap_or_default()),
                defined => self.kind(&defined.kind)?,
            },
            other => bail!("the contract has {other:?} now, which this does not know"),
        })
    }

    fn kind(&self, kind: &TypeDefKind) -> Result<String> {
        Ok(match kind {
            TypeDefKind::Type(of) => self.name(of)?,
            TypeDefKind::Option(of) => format!("{} | null", self.name(of)?),
            TypeDefKind::List(Type::U8) => "Uint8Array".to_owned(),
            TypeDefKind::List(of) => format!("Array<{}>", self.name(of)?),
            TypeDefKind::Tuple(tuple) => {
                let names = tuple.types.iter().map(|kind| self.name(kind)).collect::<Result<Vec<_>>>()?;
                format!("[{}]", names.join(", "))
            }
            other => bail!("the contract has a {} now, which this does not know", other.as_str()),
        })
    }
}

fn alias(name: &str, kind: &str) -> String {
    format!("  export type {name} = {kind};\n")
}

fn docs(docs: &Docs, indent: &str) -> String {
    let Some(text) = docs.contents.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
        return String::new();
    };
    let lines: Vec<&str> = text.lines().collect();
    match lines.as_slice() {
        [line] => format!("{indent}/** {line} */\n"),
        lines => format!("{indent}/**\n{indent} * {}\n{indent} */\n", lines.join(&format!("\n{indent} * "))),
    }
}

fn pascal(name: &str) -> String {
    name.split('-').map(capitalised).collect()
}

fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    first + &words.map(capitalised).collect::<String>()
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kit_has_the_contract_as_it_is() {
        check().unwrap();
    }

    #[test]
    fn names_are_in_the_case_of_the_language() {
        assert_eq!((camel("after-ms"), pascal("object-ref")), ("afterMs".to_owned(), "ObjectRef".to_owned()));
        assert_eq!(camel("run"), "run");
    }

    #[test]
    fn refusals_are_thrown_and_nothing_is_null() {
        let text = generate().unwrap();
        for line in [
            "get(scope: Scope, key: string): Entry | null;",
            "send(request: Request): Response; // throws Error",
            "export type Level = \"trace\" | \"debug\" | \"info\" | \"warn\" | \"error\";",
            "headers: Array<[string, string]>;",
            "export function run(ctx: Context): Outcome; // throws Failure",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
