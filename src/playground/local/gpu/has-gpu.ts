// Whether a page may compute on a GPU here.

/** Whether the browser knows WebGPU, and its WebAssembly can wait for it (JSPI), which the library's build for WebGPU needs. */
export function knowsGpu(): boolean {
  return "Suspending" in WebAssembly && "gpu" in navigator;
}

/** Whether it also gives the page a GPU. A browser without one complains on its console when it is asked. */
export async function hasGpu(): Promise<boolean> {
  if (!knowsGpu() || !("gpu" in navigator)) return false;
  const { gpu } = navigator;
  if (typeof gpu !== "object" || gpu === null || !("requestAdapter" in gpu)) return false;
  if (typeof gpu.requestAdapter !== "function") return false;
  const adapter: unknown = await Promise.resolve(Reflect.apply(gpu.requestAdapter, gpu, [])).catch(() => null);
  return typeof adapter === "object" && adapter !== null;
}
