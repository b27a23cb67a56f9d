/** No secret in what a failed change says. */
import { describe, expect, it } from "vitest";

import { hideSecrets } from "../../provider/hide-secrets.ts";

const inputs = {
  files: {
    ".env": { content: `# keys\nKIMI_API_KEY='canary-one-1234'\nQUIET=1\nTOKEN=canary-two-5678\n` },
    "config.yaml": { content: "model: kimi\n" },
  },
};
const secrets = [["files", ".env", "content"]];

describe("secrets in a host's words", () => {
  it("are hidden, quoted or not, and short values are left alone", () => {
    const said = "exit 1: bad key canary-one-1234 in 'canary-one-1234', token=canary-two-5678";
    expect(hideSecrets(said, inputs, secrets)).toBe("exit 1: bad key (hidden) in (hidden), token=(hidden)");
  });

  it("are only those of secret places, and whatever has a vendor's shape", () => {
    expect(hideSecrets("model: kimi", inputs, secrets)).toBe("model: kimi");
    expect(hideSecrets("sent ghp_0123456789abcdef", inputs, [])).toBe("sent (hidden)");
  });

  it("hides the longer of two that begin alike first", () => {
    const alike = { a: "secret-part", b: "secret-part-and-more" };
    expect(hideSecrets("secret-part-and-more", alike, [["a"], ["b"]])).toBe("(hidden)");
  });
});
