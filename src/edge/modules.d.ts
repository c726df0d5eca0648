// Imports that wrangler's module rules turn into values.
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
