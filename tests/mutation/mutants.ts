/** Small faults in a TypeScript file, one at a time: what a suite that is worth its name must notice. Pure. */
import ts from "typescript";

export interface Mutant {
  /** 1-based. */
  line: number;
  /** What was written, and what takes its place; cut for display. */
  was: string;
  becomes: string;
  start: number;
  end: number;
}

const SWAPPED: Readonly<Record<string, readonly string[]>> = {
  "===": ["!=="],
  "!==": ["==="],
  "&&": ["||"],
  "||": ["&&"],
  "<": ["<=", ">"],
  ">": [">=", "<"],
  "<=": ["<"],
  ">=": [">"],
  "+": ["-"],
  "-": ["+"],
};
const METHODS: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  find: "findLast",
  findLast: "find",
};
/** Calls that can be left out: what they are called on stands for their result. */
const DROPPED = new Set([
  "trim",
  "toLowerCase",
  "filter",
  "replace",
  "replaceAll",
  "normalize",
  "slice",
  "flat",
  "map",
]);

/** Every mutant of a file. Types, imports and declarations without values have none. */
export function mutantsOf(text: string): Mutant[] {
  const source = ts.createSourceFile("x.ts", text, ts.ScriptTarget.ES2022, true);
  const found: Mutant[] = [];
  const add = (node: ts.Node, becomes: string): void => {
    const [start, end] = [node.getStart(source), node.getEnd()];
    if (text.slice(start, end) === becomes) return;
    const line = source.getLineAndCharacterOfPosition(start).line + 1;
    found.push({ line, was: text.slice(start, end), becomes, start, end });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node)) return;
    for (const becomes of replacements(node, source)) add(node, becomes);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The file with one mutant in it. */
export function mutated(text: string, { start, end, becomes }: Mutant): string {
  return text.slice(0, start) + becomes + text.slice(end);
}

function replacements(node: ts.Node, source: ts.SourceFile): string[] {
  const text = (one: ts.Node): string => one.getText(source);
  if (ts.isBinaryExpression(node)) {
    const operator = text(node.operatorToken);
    const [left, right] = [text(node.left), text(node.right)];
    if (operator === "??") return [`(${left})`, `(${right})`];
    return (SWAPPED[operator] ?? []).map((other) => `(${left} ${other} ${right})`);
  }
  if (ts.isConditionalExpression(node)) return [`(${text(node.whenTrue)})`, `(${text(node.whenFalse)})`];
  if (ts.isIfStatement(node)) {
    const rest = text(node).slice(
      text(node).indexOf(")", node.expression.getEnd() - node.getStart(source)) + 1,
    );
    return [`if (true) ${rest}`, `if (false) ${rest}`];
  }
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken)
    return [text(node.operand)];
  if (node.kind === ts.SyntaxKind.TrueKeyword) return ["false"];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return ["true"];
  if (ts.isNumericLiteral(node)) return [String(Number(node.text) + 1)];
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node))
    return [node.text === "" ? '"mutant"' : '""'];
  if (ts.isRegularExpressionLiteral(node)) return expressions(node.text);
  if (ts.isArrayLiteralExpression(node) && node.elements.length > 0) return ["[]"];
  if (ts.isExpressionStatement(node)) return ["{}"];
  if (ts.isReturnStatement(node) && node.expression && text(node.expression) !== "undefined")
    return ["return undefined as never;"];
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression))
    return calls(node, node.expression, text);
  return [];
}

function calls(
  call: ts.CallExpression,
  { expression, name }: ts.PropertyAccessExpression,
  text: (node: ts.Node) => string,
): string[] {
  const other = METHODS[name.text];
  const given = call.arguments.map(text).join(", ");
  return [
    ...(other === undefined ? [] : [`${text(expression)}.${other}(${given})`]),
    ...(DROPPED.has(name.text) ? [text(expression)] : []),
  ];
}

/** Without an anchor, a flag, or one of the alternatives. */
function expressions(literal: string): string[] {
  const end = literal.lastIndexOf("/");
  const [body, flags] = [literal.slice(1, end), literal.slice(end + 1)];
  const flagless = [...flags]
    .filter((flag) => flag !== "g")
    .map((flag) => `/${body}/${flags.replace(flag, "")}`);
  const start = body.startsWith("^") ? [`/${body.slice(1)}/${flags}`] : [];
  const tail = /(?<!\\)\$$/.test(body) ? [`/${body.slice(0, -1)}/${flags}`] : [];
  return [...start, ...tail, ...alternatives(body).map((one) => `/${one}/${flags}`), ...flagless];
}

/** Bodies with one alternative of a group less, for groups without groups or classes in them. */
function alternatives(body: string): string[] {
  return [...body.matchAll(/\((\?:)?([^()[\]]*\|[^()[\]]*)\)/g)].flatMap(
    ({ index, 0: group, 1: kind = "", 2: inner = "" }) => {
      const words = inner.split("|");
      return words.map((_, left) => {
        const kept = words.filter((__, at) => at !== left).join("|");
        return `${body.slice(0, index)}(${kind}${kept})${body.slice(index + group.length)}`;
      });
    },
  );
}
