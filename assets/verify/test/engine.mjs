// The verifier for the tests: the sources, bundled as for the page. Node has every interface that it uses.
export const engine = () => import("../src/verify.js");
