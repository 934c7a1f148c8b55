import { expect, test } from "vitest";
import { routeWarnings } from "../../../host/agent/route-warnings.ts";

const modules = new Map([
  ["filter", { inputs: ["in"], outputs: ["alerts", "rest"] }],
  ["source", { inputs: [], outputs: ["out"] }],
]);
const warn = (route: string) => routeWarnings({ r: { route } }, modules);
const into = (module: string, input: string) => `INTO BrokeredEndpoint("/modules/${module}/inputs/${input}")`;

test.for([
  `FROM /messages/* ${into("filter", "in")}`,
  "FROM /messages/modules/filter/outputs/alerts INTO $upstream",
  "FROM /messages/modules/FILTER/outputs/Alerts INTO $upstream",
  "FROM /messages/modules/filter/* INTO $upstream",
  "FROM /messages/modules/filter/outputs/* INTO $upstream",
  "FROM /* INTO $upstream",
  "SELECT * FROM /twinChangeNotifications INTO $upstream",
  "FROM /messages/* INTO nowhere",
])("%s is nothing to warn of", (route) => {
  expect(warn(route)).toEqual([]);
});

test.for([
  [`FROM /messages/* ${into("filter", "inn")}`, 'module "filter" has no input "inn"; it has in'],
  [`FROM /messages/* ${into("filter", "In")}`, 'module "filter" has no input "In"; it has in'],
  [`FROM /messages/* ${into("source", "in")}`, 'module "source" has no input "in"; it has none'],
  [`FROM /messages/* ${into("constructor", "in")}`, 'module "constructor" is not in this deployment'],
  [
    "FROM /messages/modules/filter/outputs/alrets INTO $upstream",
    'module "filter" has no output "alrets"; it has alerts, rest',
  ],
  ["FROM /messages/modules/nobody/* INTO $upstream", 'module "nobody" is not in this deployment'],
] as const)("%s is warned of: %s", ([route, warning]) => {
  expect(warn(route)).toEqual([expect.stringContaining(`route "r": ${warning}`)]);
});
