// Each thread's entry in one file: a worker that loads forty small ones takes 20 ms and 3 MB more. The build is
// what is bundled, so that what is measured and shipped is what was checked.

// An engine keeps the text of what it runs, with two bytes for each character as soon as one is not of Latin-1. So
// comments go, and what is left beyond ASCII, which is in strings, is escaped.
const escaped = {
  name: "escaped",
  generateBundle: (_, files) => {
    for (const chunk of Object.values(files)) chunk.code = chunk.code?.replace(/[^\0-\x7f]/g, escapeOf);
  },
};
const escapeOf = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

const bundle = (entry, external, alias = {}) => ({
  input: `dist/${entry}.js`,
  output: { file: `dist/${entry}.bundle.js`, format: "esm", sourcemap: true, comments: false },
  platform: "node",
  plugins: [escaped],
  external,
  resolve: { alias },
});

export default [
  bundle("host/sandbox/worker", ["@wasmer/wasi"]),
  // mqtt-packet wants the streams of Node as a package; those that Node has cost nothing.
  bundle("hub/thread/thread", ["lmdb", /^rhea\//, "ws"], { "readable-stream": "node:stream" }),
];
