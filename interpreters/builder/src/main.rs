//! `builder CORE_MODULE COMPONENT`: initialises a core module, keeps the memory that leaves as what it starts with, and
//! wraps the result as a component.
//!
//! A fresh instance of it is then ready at once, and its memory is mapped from the component instead of being filled.

use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use wasmi::{Caller, Engine, Extern, ExternType, Func, Instance, Linker, Memory, Module, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

fn main() -> Result<()> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [core, component] = paths.as_slice() else { bail!("usage: builder CORE_MODULE COMPONENT") };
    let core = std::fs::read(core).with_context(|| format!("cannot read {}", core.display()))?;
    let wizer = Wizer::new();
    let (module, instrumented) = wizer.instrument(&core).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let mut state = State::initialized(&instrumented, wizer.get_init_func())?;
    let warm = pollster::block_on(wizer.snapshot(&module, &mut state)).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let encoded = wit_component::ComponentEncoder::default().validate(true).module(&warm)?.encode()?;
    std::fs::write(component, encoded).with_context(|| format!("cannot write {}", component.display()))
}

/// An instance whose initialisation has run.
struct State {
    store: Store<()>,
    instance: Instance,
}

impl State {
    fn initialized(wasm: &[u8], function: &str) -> Result<State> {
        let engine = Engine::default();
        let module = Module::new(&engine, wasm)?;
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        for import in module.imports() {
            let ExternType::Func(ty) = import.ty() else { bail!("the import {} is no function", import.name()) };
            // What is asked of the host now would be answered once for all runs.
            let name = format!("{}#{}", import.module(), import.name());
            let refuse = move |_: Caller<'_, ()>, _: &[Val], _: &mut [Val]| {
                Err(wasmi::Error::new(format!("`{name}` was called while the component was built")))
            };
            let stub = Func::new(&mut store, ty.clone(), refuse);
            linker.define(import.module(), import.name(), stub)?;
        }
        let instance = linker.instantiate_and_start(&mut store, &module)?;
        instance.get_typed_func::<(), ()>(&store, function)?.call(&mut store, ())?;
        Ok(State { store, instance })
    }

    fn memory(&self, name: &str) -> Memory {
        self.instance.get_memory(&self.store, name).unwrap_or_else(|| panic!("there is no memory {name}"))
    }
}

impl InstanceState for State {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let Some(Extern::Global(global)) = self.instance.get_export(&self.store, name) else {
            panic!("there is no global {name}")
        };
        match global.get(&self.store) {
            Val::I32(value) => SnapshotVal::I32(value),
            Val::I64(value) => SnapshotVal::I64(value),
            Val::F32(value) => SnapshotVal::F32(value.to_bits()),
            Val::F64(value) => SnapshotVal::F64(value.to_bits()),
            other => panic!("the global {name} is {other:?}"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        contents(self.memory(name).data(&self.store));
    }
}
