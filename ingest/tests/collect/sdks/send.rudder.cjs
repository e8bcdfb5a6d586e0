// RudderStack's SDK for Node, as it is: sends what a program would, and prints what it was told.
//
// usage: send.rudder.cjs HOST KEY [plain]

const Analytics = require("@rudderstack/rudder-sdk-node");

const [host, writeKey, plain] = process.argv.slice(2);
const errors = [];
const analytics = new Analytics(writeKey, {
  dataPlaneUrl: host,
  gzip: plain !== "plain",
  logLevel: "none",
  flushAt: 20,
  retryCount: 5,
  errorHandler: (error) => errors.push({ code: error.code, reason: String(error.message) }),
});

// Each is done when it was sent, or given up.
const calls = [];
const call = (type, message) => calls.push(new Promise((then) => analytics[type](message, then)));

async function main() {
  const timestamp = new Date("2026-01-31T09:00:00.500Z");
  const properties = { price: 9.5, tags: ["a", "b"], é: "日本" };
  call("identify", { userId: "rudder-1", traits: { plan: "pro", seats: 3 }, timestamp });
  call("track", { userId: "rudder-1", event: "bought", properties, timestamp, messageId: "rudder-bought" });
  call("track", { anonymousId: "rudder-anonymous", event: "looked" });
  call("page", { userId: "rudder-1", category: "Docs", name: "Start", properties: { path: "/start" } });
  call("screen", { userId: "rudder-1", name: "Home" });
  call("group", { userId: "rudder-1", groupId: "acme", traits: { size: 12 } });
  call("alias", { userId: "rudder-1", previousId: "rudder-anonymous" });
  for (let n = 0; n < 250; n++) call("track", { userId: "rudder-1", event: "many", properties: { n } });
  // A flush sends 20 events at most.
  while (analytics.queue.length > 0) await analytics.flush();
  await Promise.all(calls);
  console.log(JSON.stringify(errors));
}

main();
