set -e
cd /work/wt-source/interpreters
RUSTC_BOOTSTRAP=1 CC_wasm32_unknown_unknown=clang-22 AR_wasm32_unknown_unknown=llvm-ar-22 cargo --config fallback.toml build --release --target wasm32-unknown-unknown -p javascript
./target/debug/builder target/wasm32-unknown-unknown/release/javascript.wasm components/javascript.wasm
ls -la components
