// The page starts: what the address holds is taken up, then the views are drawn.

import { render } from "preact";
import { App } from "./app.tsx";
import { followAddress } from "./state/address.ts";

const root = document.getElementById("page");
const start = (): void => {
  if (root !== null) render(<App />, root);
};
void followAddress().then(start, start);
