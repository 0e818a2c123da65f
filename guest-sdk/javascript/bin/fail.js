/** Says what went wrong and ends. What esbuild found it has shown already, with file and line. */
export function fail(error) {
  if (!error?.errors) console.error(`error: ${error?.message ?? error}`);
  process.exit(1);
}
