/** The vectors of contract §3.8, by their numbers there. */
import { describe, expect, test } from "vitest";
import { compileRoute, RouteSyntaxError } from "../../../hub/router/compile.ts";
import { FrameMessage } from "../../../hub/router/frame-message.ts";
import type { RouteMessage } from "../../../hub/router/message.ts";
import { DEVICE, FRAME_B, MESSAGE_B, MESSAGE_P } from "./messages.ts";
import { matches, verdict, type Verdict } from "./verdict.ts";

type Vector = readonly [id: string, verdict: Verdict, ...expressions: string[]];

const PROPERTY_VECTORS: readonly Vector[] = [
  ["P2", "undefined", "3", '"a string"'],
  ["P3", "true", "3 = 3", '"3" = "3"', "'3' = '3'", "true = true"],
  ["P5", "true", "key2 = '3'"],
  ["P6", "true", 'KEY1 = "value1"'],
  ["P7", "true", 'key1 = "value2" or key1 = "value1"'],
  ["P9", "true", "as_number(key2) <> 4"],
  ["P10", "undefined", "as_number(key1) = 3"],
  ["P11", "undefined", "as_number(none) != 3"],
  ["P13", "undefined", 'none != "4"', 'none <> "4"'],
  ["P14", "false", 'is_defined(none = "4")'],
  ["P15", "false", "is_defined($none)"],
  ["P17", "true", "as_number($sys2) = 4"],
  ["P18", "true", '$sys1 = "sysvalue1"'],
  ["P19", "true", '$sys4 = "value4"'],
  ["P21", "true", '{ $sys1 } = "sysvalue1"'],
  ["P22", "true", "true or none = 'true'"],
  ["P23", "undefined", "false or none = 'true'"],
  ["P25", "false", "false and none = 'true'"],
  ["P26", "false", "none = 'true' and false"],
  ["P27", "undefined", "true and none = 'true'"],
  ["P29", "true", "undefined or true"],
  ["P30", "undefined", "undefined or false", "true and undefined", "undefined < undefined"],
  ["P31", "false", "undefined and false"],
  ["P33", "false", "null", "null and null", "null or false"],
  ["P34", "true", "not null", "null or true"],
  [
    "P35",
    "true",
    "(null and null) = null",
    "(null and false) = null",
    "(null and true) = null",
    "(null or null) = null",
  ],
  ["P37", "true", '(none ?? none ?? "hello") = "hello"'],
  ["P38", "true", "(as_number(key1) ?? 12.34) = 12.34"],
  ["P39", "true", "(3 % 0 ?? 12.34) = 12.34"],
  ["P41", "true", "3 + 4 = 7", "3 / 4 = 0.75", "4 % 3 = 1", "-(3 + 4) = -7"],
  ["P42", "false", "3 + 4 < 7"],
  ["P43", "false", "is_defined(3 % 0)", "is_defined(3 + as_number(key1))", "is_defined(-undefined)"],
  ["P45", "true", "'a' < 'b'", "'a' <= 'a'"],
  ["P46", "false", "'b' < 'a'"],
  ["P47", "undefined", "'a' < none"],
  ["P49", "true", "AS_NUMBER('10e1000') = 1/0"],
  ["P50", "undefined", "as_number(key3) * 3 = 9"],
  ["P51", "true", "as_number(as_number(4)) * 3 = 12"],
  ["P53", "false", "is_bool(none)", "is_bool(key1)", "is_bool(12.34)"],
  ["P54", "true", "is_defined(null_value)", "is_defined(null)", "is_defined(10e1000)"],
  ["P55", "false", "is_defined(key4)", "is_defined(undefined and true)"],
  ["P57", "false", "is_null(none)", "is_null(3 / 0)", "is_null(as_number(key1))"],
  ["P58", "true", "is_number(as_number(key2))"],
  ["P59", "false", "is_number(3 / 0)", "is_number(as_number(key1))"],
  ["P61", "false", "is_string(null_value)", "is_string(none)"],
  ["P62", "true", "concat('a', key1, 'd') = 'avalue1d'"],
  ["P63", "true", "'a' || null_value || 'd' = 'ad'"],
  ["P65", "true", "length(key3) = 6", "LENGTH('') = 0"],
  ["P66", "false", "is_defined(length(null_value))", "is_defined(lower(none))"],
  ["P67", "true", "lower(key3) = 'value3'", "upper(key1) = 'VALUE1'"],
  ["P69", "false", "SUBSTRING('abc', 3) = 'c'"],
  [
    "P70",
    "undefined",
    "SUBSTRING('abc', 4) = 'c'",
    "substring('abc', -1) = ''",
    "substring('abc', 1, -2) = ''",
    "substring(none, 1) = 'a'",
    "substring('abc', 1 % 0) = ''",
  ],
  ["P71", "true", "index_of('abcdef', 'cd') = 2", "index_of('abc', 'xz') = -1"],
  ["P73", "true", "starts_with('value1value1', key1)", "ENDS_WITH(key1, 'e1')", "CONTAINS(key1, 'val')"],
  ["P74", "true", "exp(4000) = 3/0", "POWER(10, 4000) = 3/0", "is_defined(abs(3 / 0))", "sign(-3 / 0) = -1"],
  ["P75", "true", "ceiling(-2.1) = -2", "floor(-2.1) = -3"],
  [
    "P77",
    "error",
    "(key1 ?? 12.34)",
    "(12.34 ?? key1)",
    "(key1 ?? null)",
    "(key1 ?? true)",
    "(as_number(key2) ?? key1)",
    'key1 ?? "hello" = "value1"',
  ],
  [
    "P78",
    "error",
    "is_defined(3 + none)",
    "is_defined(3 + null_value)",
    "is_defined(3 + undefined)",
    "is_defined('a' + 'b')",
    "is_defined(true * 3)",
  ],
  [
    "P79",
    "error",
    ...["=", "!=", "<>", "<", "<=", ">", ">="].map((operator) => `is_defined(3 ${operator} none)`),
  ],
  ["P81", "error", "length(12.34)", "length(null)", "lower(undefined)", "upper(true)"],
  [
    "P82",
    "error",
    "substring('hello')",
    "substring('hello', 'a')",
    "index_of('hello')",
    "starts_with('hello', 12.34)",
    "ends_with(null, 'hello')",
    "contains('hello', undefined)",
  ],
  ["P83", "error", "abs(key1)", "abs(null)", "abs(3, 4)", "power(2, key1)", "power(2, 3, 4)", "- (key1)"],
  [
    "P85",
    "error",
    "test == true",
    "true == test",
    'none = "',
    "@32 = 32",
    "32 = [32]",
    "(3 = 3",
    "3 = 3)",
    "((3 = 3)",
    "true && true",
  ],
  ["grammar", "true", "3 + 4 * 5 = 23", "1 - -2 = 3", "0x10 = 16"],
  // Known to be accepted upstream, and meant to be errors.
  [
    "grammar",
    "error",
    "3 $ 4",
    "$ sys1 = 'sysvalue1'",
    "none and true",
    "none or true",
    "not key1",
    "3 = key2",
  ],
];

/** `W` stands for `$body.message.Weather`. */
const BODY_VECTORS: readonly Vector[] = [
  ["B1", "true", "50 >= W.Temperature"],
  ["B2", "true", "$BODY.message.Weather.Temperature >= 50"],
  ["B3", "true", "W.Temperature = 40 + 10"],
  ["B5", "true", "W.PrevTemperatures[1] * W.PrevTemperatures[2] = 1200"],
  ["B6", "true", "W.PrevTemperatures[1] / W.PrevTemperatures[0] = 1.5"],
  ["B7", "true", "W.HistoricalData[0].Temperature - 10 = W.HistoricalData[1].Temperature"],
  ["B9", "false", "W.Temperature = '50'"],
  ["B10", "true", "W.Temperature <> '100'"],
  ["B11", "false", "W.Temperature < 50"],
  ["B13", "true", "W.Location.State = $State"],
  ["B14", "true", "W.Location.State <> W.Location.City"],
  ["B15", "true", "W.IsEnabled"],
  ["B17", "true", "W.IsDisabled OR NOT(W.IsDisabled)"],
  ["B18", "true", "W.InvalidKey <> '100'"],
  ["B19", "true", "W.NullValue = null"],
  ["B21", "true", "NOT (W.InvalidProperty != null)"],
  ["B22", "true", "W.Temperature != null"],
  ["B23", "undefined", "W <> null"],
  ["B25", "undefined", "$body"],
  ["B26", "undefined", "W.HistoricalData[0].Temperature.InvalidKey"],
  ["B27", "undefined", "$City <> W.InvalidKey"],
  ["B29", "true", "{W.Temperature_PropertyConflict} <> 100"],
  ["B30", "true", "as_number(W.Temperature_PropertyConflict) = 100"],
  ["B31", "true", "abs(W.FreezingTemperature) = 50.4"],
  ["B33", "true", "contains(W.Location.Street, 'Microsoft')"],
  ["B34", "true", "substring(W.Location.Street, length(W.Location.Street) - 3) = 'Way'"],
  ["B35", "true", "substring(W.Location.Street, 4, length('Microsoft')) = 'Microsoft'"],
  ["B37", "true", "exp((W.Temperature - 49)) < (W.Temperature - 47)"],
  ["B38", "true", "is_null(W.NullValue)"],
  ["B39", "true", "sign(W.FreezingTemperature) = -1"],
  [
    "B41",
    "error",
    "$body.properties[]",
    "$body.properties []",
    "$body.properties[1:2]",
    "$body.properties,reported",
    "$body;@",
  ],
  ["dates are strings", "true", "W.Time = '2017-03-09T00:00:00.000Z'"],
];

type Case = { readonly id: string; readonly expression: string; readonly expected: Verdict };

const cases = (vectors: readonly Vector[]): Case[] =>
  vectors.flatMap(([id, expected, ...expressions]) =>
    expressions.map((expression) => ({
      id,
      expected,
      expression: expression.replaceAll(/\bW\b/g, () => "$body.message.Weather"),
    })),
  );

function expectVerdict({ expression, expected }: Case, message: RouteMessage): void {
  expect(verdict(expression, message)).toBe(expected);
  if (expected === "error") expect(() => matches(expression, message)).toThrow(RouteSyntaxError);
  else expect(matches(expression, message)).toBe(expected === "true");
}

describe("conditions over properties", () => {
  test.for(cases(PROPERTY_VECTORS))("$id: $expression is $expected", (row) => {
    expectVerdict(row, MESSAGE_P);
  });
});

describe("conditions over the body", () => {
  test.for(cases(BODY_VECTORS))("$id: $expression is $expected", (row) => {
    expectVerdict(row, MESSAGE_B);
    expectVerdict(row, new FrameMessage().at(FRAME_B.block, FRAME_B.frameAt, DEVICE));
  });
});

describe("whole statements", () => {
  test.for([
    ['FROM /* INTO brokeredEndpoint("/modules/alertLogic/inputs/in")', "alertLogic", "in"],
    ["FROM /* INTO brokeredEndpoint('/modules/alertLogic/inputs/in')", "alertLogic", "in"],
    [`FROM /* INTO BrokeredEndpoint('/modules/alert"Logic/inputs/in')`, 'alert"Logic', "in"],
    ["FROM /* INTO BrokeredEndpoint('modules/a/inputs/in/')", "a", "in"],
    ["FROM /* INTO BROKEREDENDPOINT ( '/x/a/y/in' )", "a", "in"],
  ] as const)("%s leads to a module, unconditionally", ([query, module, input]) => {
    const route = compileRoute(query);
    expect(route.sink).toEqual({ kind: "module", module, input });
    expect(route.source.prefix).toBe("/");
    expect(route.condition).toBeNull();
  });

  test.for([
    "SELECT * FROM /messages/modules/adapter INTO $upstream",
    "  \n\tSELECT * FROM /messages/modules/adapter INTO $upstream \r\n ",
    "select * from /messages/modules/adapter into $UPSTREAM",
    "SELECT * FROM /messages/modules/adapter WHERE true INTO $upstream",
    "SELECT * FROM /messages/modules/adapter WHERE 1 + 1 = 2 INTO $upstream",
    "/* a */ SELECT /* b */ * FROM /* c */ /messages/modules/adapter /* d */ INTO $upstream /* e */",
  ])("%s leads upstream, unconditionally", (query) => {
    const route = compileRoute(query);
    expect(route.sink).toEqual({ kind: "upstream" });
    expect(route.source.prefix).toBe("/messages/modules/adapter/");
    expect(route.condition).toBeNull();
  });

  test.for([
    "",
    "FORM /* INTO $upstream",
    "SELECT FROM /* INTO $upstream",
    "FROM INTO $upstream",
    `FROM /* INTO BrokeredEndpoint("/modules/a/inputs/in')`,
    `FROM /* INTO BrokeredEndpoint(""/modules/a/inputs/in"")`,
    `FROM /* INTO BrokeredEndpoint(''/modules/a/inputs/in'')`,
    "FROM /* WHERE temp == 100 INTO $upstream",
    "FROM /* WHERE INTO $upstream",
    "FROM /* WHERE   INTO $upstream",
    "FROM /* WHERE temp = 'high' INTO",
    "FROM /* WHERE temp = 'high'",
    "FROM /*",
    `FROM /* INTO BrokeredEndpoint "/modules/a/inputs/in")`,
    `FROM /* INTO BrokeredEndpoint("/modules/a/inputs/in"`,
    `FROM /* INTO "/modules/a/inputs/in"`,
    "FROM /* INTO /modules/a/inputs/in",
    "FROM /* INTO upstream",
    "FROM /* INTO $downstream",
    "FROM /* INTO $upstream $upstream",
    `FROM /* INTO BrokeredEndpoint("/modules/a/inputs")`,
    `FROM /* INTO BrokeredEndpoint("/modules/a/inputs/in/more")`,
    `FROM /* INTO BrokeredEndpoint("/modules//inputs/in")`,
    "FROM //messages INTO $upstream",
    "FROM messages INTO $upstream",
    "FROM /* INTO $upstream /* for ever",
  ])("%j is refused", (query) => {
    expect(() => compileRoute(query)).toThrow(RouteSyntaxError);
  });
});
