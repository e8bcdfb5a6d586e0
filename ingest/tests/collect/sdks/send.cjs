// Segment's SDK for Node, as it is: sends what a program would, and prints what it was told.
//
// usage: send.cjs HOST KEY

const { Analytics } = require("@segment/analytics-node");

const [host, writeKey] = process.argv.slice(2);
const errors = [];
const analytics = new Analytics({ host, writeKey, flushAt: 20, maxRetries: 5 });
analytics.on("error", (error) => errors.push({ code: error.code, reason: String(error.reason) }));

async function main() {
  const timestamp = new Date("2026-01-31T09:00:00.500Z");
  analytics.identify({ userId: "js-1", traits: { plan: "pro", seats: 3 }, timestamp });
  analytics.track({ userId: "js-1", event: "bought", properties: { price: 9.5, tags: ["a", "b"], é: "日本" }, timestamp, messageId: "js-bought" });
  analytics.track({ anonymousId: "js-anonymous", event: "looked" });
  analytics.page({ userId: "js-1", category: "Docs", name: "Start", properties: { path: "/start" } });
  analytics.screen({ userId: "js-1", name: "Home" });
  analytics.group({ userId: "js-1", groupId: "acme", traits: { size: 12 } });
  analytics.alias({ userId: "js-1", previousId: "js-anonymous" });
  for (let n = 0; n < 250; n++) analytics.track({ userId: "js-1", event: "many", properties: { n } });
  await analytics.closeAndFlush();
  console.log(JSON.stringify(errors));
}

main();
