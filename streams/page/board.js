// news of /news → the page. Words from outside are only ever set as text, and asked for by id: nothing of what a
// host said or a seller wrote becomes markup, an address of its own, or code.
"use strict";

const KEPT_EACH = 240, STREAMS = 64, QUIET_AFTER_S = 30;
const SAYS = { matched: "matched", off_shelf: "off-shelf", abstained: "abstained", letter: "dead letter" };
const streams = new Map(); // stream → {article, room, last, ended, chosen}; heard of last, last
const at = (id) => document.getElementById(id);

function element(name, className, text, children = []) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function streamOf(told) {
  const known = streams.get(told.stream);
  const found = known ?? { name: told.name, room: null, last: [], ended: null, chosen: null, ...card() };
  streams.delete(told.stream);
  streams.set(told.stream, found);
  if (!known) {
    at("streams").prepend(found.article);
    found.why.addEventListener("click", () => explain(found.drawn.key));
    found.back.addEventListener("click", () => { found.chosen = null; draw(found); });
  }
  if (streams.size > STREAMS) {
    const [oldest, gone] = streams.entries().next().value;
    gone.article.remove();
    streams.delete(oldest);
  }
  return found;
}

// What is drawn again and again stays the same elements: nothing jumps, and neither focus nor scrolling is lost.
function card() {
  const parts = { title: element("h2"), status: element("p", "about"), answer: element("div"), strip: element("div", "strip"),
    why: element("button", "", "why?"), back: element("button", "", "back to now") };
  const actions = element("div", "actions", "", [parts.why, parts.back]);
  parts.strip.addEventListener("keydown", (event) => {
    const next = { ArrowLeft: "nextElementSibling", ArrowRight: "previousElementSibling" }[event.key];
    if (!next) return;
    event.preventDefault();
    document.activeElement[next]?.focus();
  });
  const article = element("article", "", "", [parts.title, parts.status, parts.answer, parts.strip, actions]);
  return { article, images: { seen: image(), page: image() }, drawn: null, ...parts };
}

function image() {
  const made = element("img");
  made.loading = "lazy";
  for (const end of ["load", "error"]) made.addEventListener(end, () => {
    made.classList.remove("coming");
    made.classList.toggle("lost", end === "error");
  });
  return made;
}

function take(key, told) {
  const stream = streamOf(told);
  if (told.kind === "room") stream.room = told;
  else if (told.kind === "ended") stream.ended = told;
  else if (!stream.last.some((each) => each.segment === told.segment && each.attempt > told.attempt)) {
    // of two terminal records of a segment the one that was replayed more often counts
    stream.last = stream.last.filter((each) => each.segment !== told.segment || each.attempt === told.attempt);
    stream.last.splice(placeOf(told, stream.last), 0, { key, ...told });
    if (stream.last.length > KEPT_EACH) stream.last.shift();
    if (stream.chosen && !stream.last.includes(stream.chosen)) stream.chosen = null;
  }
  due.add(stream);
  if (due.size === 1) requestAnimationFrame(drawDue); // a page that is opened late gets thousands at once
}

// Answers stand as they came, whatever a worker's clock says; dead letters, which come from another topic, by their time.
function placeOf(told, last) {
  let place = last.length;
  while (place && last[place - 1].at_ms > told.at_ms && [told, last[place - 1]].some((each) => each.kind === "letter")) place--;
  return place;
}

const due = new Set();
function drawDue() {
  const drawn = [...due];
  due.clear();
  drawn.forEach(draw);
  count();
}

function picture(image, className, address, caption, alternative) {
  image.alt = alternative;
  if (image.getAttribute("src") !== address) {
    image.classList.add("coming"); // until then it shows the one before
    image.src = address;
  }
  return element("figure", className, "", [image, element("figcaption", "", caption)]);
}

function verdict(news) {
  const line = element("p", "verdict " + news.verdict, "", [element("span", "", SAYS[news.verdict])]);
  if (!news.shown.length) line.append(news.instead);
  for (const one of news.shown) {
    line.append(`${one.title} `, element("small", "", one.score));
    if (one.restricted) line.append(element("span", "badge letter", "restricted"));
  }
  return line;
}

function answer(news, images) {
  const seen = news.picture
    ? [picture(images.seen, "seen", `/evidence/${news.key}`, `looked at from ${news.at}`, "the frames that were looked at")] : [];
  const words = news.words.map(([label, text]) => element("p", "words", "", [element("b", "", label + " "), text]));
  const text = element("div", "", "", [verdict(news), ...words]);
  return [...seen, element("div", "answer", "", [...page(news.page, images), text])];
}

function page(shows, images) {
  if (!shows) return [];
  const address = "/picture?" + new URLSearchParams({ product: shows.product });
  return [picture(images.page, "page", address, shows.name, `the page of ${shows.title}`)];
}

function block(stream, news) {
  const made = element("button", news.verdict);
  made.title = `${news.at}  ${SAYS[news.verdict]}: ${news.shown[0]?.title ?? news.instead}`;
  made.setAttribute("aria-label", made.title);
  made.classList.toggle("marked", !!news.restricted);
  made.addEventListener("click", () => { stream.chosen = stream.chosen === news ? null : news; draw(stream); });
  return made;
}

function strip(stream, chosen) {
  const blocks = [...stream.last].reverse().map((news) => (news.block ??= block(stream, news)));
  const wanted = new Set(blocks);
  for (const there of [...stream.strip.children]) if (!wanted.has(there)) there.remove();
  blocks.forEach((each, place) => {
    const there = stream.strip.children[place];
    if (there !== each) stream.strip.insertBefore(each, there ?? null);
    each.classList.toggle("chosen", each === chosen.block);
    each.tabIndex = each === chosen.block ? 0 : -1; // the others by arrows: a page has thousands
  });
}

function draw(stream) {
  const newest = stream.last.at(-1), chosen = stream.chosen ?? newest;
  stream.title.textContent = stream.room?.title || stream.name;
  if (chosen && chosen !== stream.drawn) stream.answer.replaceChildren(...answer(chosen, stream.images));
  if (chosen) strip(stream, chosen);
  stream.drawn = chosen;
  stream.why.hidden = chosen?.kind !== "match";
  stream.back.hidden = !stream.chosen;
  stream.article.classList.toggle("restricted", !!newest?.restricted);
  stream.article.classList.toggle("over", !!stream.ended);
  age(stream);
  sift(stream);
}

function age(stream) {
  const newest = stream.last.at(-1);
  const parts = stream.room?.title ? [stream.name] : [];
  if (stream.room) parts.push(stream.room.about);
  if (newest?.answered) parts.push(newest.answered);
  const heardMs = (newest ?? stream.room)?.at_ms; // of one that was only begun: nothing since then
  const quietS = heardMs ? Math.max(0, Math.round((Date.now() - heardMs) / 1000)) : 0;
  if (stream.ended) parts.push(`ended (${stream.ended.reason})`);
  stream.status.textContent = parts.join(" · ");
  if (!stream.ended && quietS > QUIET_AFTER_S) {
    stream.status.append(parts.length ? " · " : "", element("span", "quiet", `quiet for ${duration(quietS)}`));
  }
}

function duration(seconds) {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function sift(stream) {
  const wanted = at("filter").value.trim().toLowerCase(), newest = stream.last.at(-1);
  const said = [stream.name, stream.room?.title, ...(newest?.shown ?? []).flatMap((one) => [one.title, one.name])];
  const fits = said.some((text) => text?.toLowerCase().includes(wanted));
  const marked = !at("restricted").checked || stream.last.some((each) => each.restricted);
  stream.article.hidden = !(fits && marked);
}

function count() {
  const running = [...streams.values()].filter((stream) => !stream.ended);
  const marked = running.filter((stream) => stream.last.at(-1)?.restricted).length;
  at("count").textContent = `${running.length} running of ${streams.size}` + (marked ? `, ${marked} show a restricted product` : "");
}

async function explain(key) {
  const dialog = at("why");
  let text;
  try {
    text = await (await fetch(`/why/${key}`)).text();
  } catch {
    text = "vitrine board does not answer any more";
  }
  dialog.querySelector("pre").textContent = text;
  if (!dialog.open) dialog.showModal();
}

function away(text) {
  at("away").textContent = text;
  at("away").hidden = !text;
}

// Whether the catalogue is still being read: what was asked for too early is asked for again.
function reading(still) {
  at("reading").hidden = !still;
  if (!still) for (const lost of document.querySelectorAll("img.lost")) lost.src = lost.getAttribute("src");
}

// A browser has six connections for all pages of a server, so a page that nobody sees lets go of its own.
let news = null, last = "";
function listen() {
  news?.close();
  if (document.hidden) return;
  news = new EventSource("/news?" + new URLSearchParams({ after: last }));
  news.addEventListener("begin", () => { streams.clear(); at("streams").replaceChildren(); count(); });
  news.addEventListener("away", (event) => away(JSON.parse(event.data)));
  news.addEventListener("reading", (event) => reading(JSON.parse(event.data)));
  news.addEventListener("message", (event) => { last = event.lastEventId; take(last, JSON.parse(event.data)); });
  news.addEventListener("error", () => away("vitrine board does not answer; this page shows what it said last"));
  news.addEventListener("open", () => { away(""); reading(false); });
}

document.addEventListener("visibilitychange", listen);
listen();
for (const id of ["filter", "restricted"]) at(id).addEventListener("input", () => streams.forEach(sift));
setInterval(() => streams.forEach(age), 1000);
