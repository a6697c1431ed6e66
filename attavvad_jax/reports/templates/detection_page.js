"use strict";
(() => {
  const MAX_PX_PER_S = 240;
  const FIRST_VIEW_S = 120;
  const byId = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Data.

  function bytes(base64) {
    const text = atob(base64), values = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) values[i] = text.charCodeAt(i);
    return values;
  }

  const data = JSON.parse(byId("data").textContent);
  const duration = data.duration_s, rate = data.block_rate_hz, numImages = data.images_per_block;
  const audio = data.audio && bytes(data.audio);
  const faces = data.faces.map((face) => ({
    fused: face.fused && bytes(face.fused), visual: face.visual && bytes(face.visual), boxes: bytes(face.boxes), audio,
    events: [], current: undefined,
  }));
  const numBlocks = faces[0].boxes.length / (4 * numImages);
  const columns = { fused: data.events, audio: data.events, visual: ["ink"] };

  const video = byId("video"), scroller = byId("scroller"), content = byId("content"), list = byId("list");
  const overview = byId("overview"), overviewWindow = overview.querySelector(".window");
  const cursor = byId("cursor"), overviewCursor = overview.querySelector(".cursor");
  const canvases = all("canvas", content), boxes = all(".box"), cards = all(".card");

  // The events are read from the table, so that it works without JavaScript; lanes and overview are built from it.
  const bar = (event, kind = "event") => {
    const element = document.createElement("div");
    element.className = `${kind} ${event.label}`;
    element.style.left = `${100 * event.onset / duration}%`;
    element.style.width = `${100 * (event.offset - event.onset) / duration}%`;
    return element;
  };
  const lane = (face, label) => content.querySelector(`.lane[data-face="${face}"][data-label="${label}"]`);
  for (const row of all("tr", byId("events"))) {
    const { face, label } = row.dataset;
    const event = { row, label, onset: Number(row.dataset.onset), offset: Number(row.dataset.offset) };
    event.bar = bar(event);
    event.bar.title = `${label} ${clockTime(event.onset)}–${clockTime(event.offset)}`;
    lane(face, label).append(event.bar);
    row.addEventListener("click", () => seek(event.onset));
    event.bar.addEventListener("click", (click) => { click.stopPropagation(); seek(event.onset); });
    faces[face].events.push(event);
  }
  data.faces.forEach((face, i) => {
    for (const [label, onset, offset] of face.unsure) lane(i, label).append(bar({ label, onset, offset }, "unsure"));
  });
  for (const face of faces) {
    const strip = document.createElement("div");
    strip.className = "strip";
    strip.append(...face.events.map((event) => bar(event)));
    overview.prepend(strip);
  }
  overview.prepend(...all(".strip", overview).reverse());
  const onsets = [...new Set(faces.flatMap((face) => face.events.map((event) => event.onset)))].sort((a, b) => a - b);

  function clockTime(seconds, decimals = 1) {
    const unit = 10 ** decimals, whole = Math.round(seconds * unit);
    const s = (whole % (60 * unit)) / unit, minutes = Math.floor(whole / (60 * unit));
    const rest = s.toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
    const hours = Math.floor(minutes / 60);
    return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  }

  // The current time: the video's, or the last click if the video cannot be played.

  let now = 0, shownBlock, shownImage, pending = 0;
  // The player's clock at time zero: some browsers count from the file's first time stamp, some from zero.
  let zero = 0, isReady = false;

  function seek(time) {
    now = Math.min(Math.max(time, 0), duration);
    if (isReady) video.currentTime = now + zero;
    reveal();
    show();
  }

  function request() {
    pending ||= requestAnimationFrame(() => {
      pending = 0;
      const wasInView = isInView(now);
      if (isReady) now = Math.max(video.currentTime - zero, 0);
      // Scroll when the cursor leaves the view, but not after the user has scrolled away from it.
      if (wasInView) reveal();
      show();
      if (!video.paused && !video.ended) request();
    });
  }

  function show() {
    cursor.style.transform = `translateX(${now * pxPerS}px)`;
    overviewCursor.style.transform = `translateX(${overview.clientWidth * now / duration}px)`;
    byId("clock").textContent = `${clockTime(now)} of ${clockTime(duration, 0)}`;
    // The player rounds times.
    const time = now + 1e-3, block = Math.min(Math.floor(time * rate), numBlocks - 1);
    const image = Math.min(Math.floor(time * rate * numImages), numBlocks * numImages - 1);
    faces.forEach((face, i) => showState(face, i, time));
    if (image !== shownImage) faces.forEach((face, i) => showBox(face, boxes[i], image));
    if (block !== shownBlock) {
      faces.forEach((face, i) => showScores(face, cards[i], block));
      scroller.setAttribute("aria-valuenow", now.toFixed(1));
      const states = faces.map((face) => face.current?.label ?? "nothing").join(", ");
      scroller.setAttribute("aria-valuetext", `${clockTime(now)}, ${states}`);
    }
    shownBlock = block;
    shownImage = image;
  }

  function showState(face, i, time) {
    // Binary search for the last event that has begun.
    let low = 0, high = face.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (face.events[middle].onset <= time) low = middle + 1; else high = middle;
    }
    const event = low && time < face.events[low - 1].offset + 2e-3 ? face.events[low - 1] : null;
    if (event === face.current) return;
    for (const element of [face.current?.row, face.current?.bar]) element?.classList.remove("current");
    face.current?.row.removeAttribute("aria-current");
    face.current = event;
    cards[i].className = `card ${event?.label ?? ""}`;
    boxes[i].className = `box ${event?.label ?? ""}`;
    cards[i].querySelector(".state").textContent = event?.label ?? "–";
    if (!event) return;
    for (const element of [event.row, event.bar]) element.classList.add("current");
    event.row.setAttribute("aria-current", "true");
    if (!list.matches(":hover, :focus-within")) {
      const head = list.querySelector("thead").offsetHeight, top = event.row.offsetTop - head;
      if (top < list.scrollTop || top + head + event.row.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top;
    }
  }

  function showScores(face, card, block) {
    for (const cell of all("[data-score]", card)) {
      const scores = face[cell.dataset.score];
      if (!scores) continue;
      const value = scores[block * columns[cell.dataset.score].length + Number(cell.dataset.column)] / 255;
      cell.textContent = value.toFixed(2);
      cell.previousSibling.style.setProperty("--value", value);
    }
  }

  function showBox(face, box, image) {
    const [x, y, width, height] = face.boxes.subarray(4 * image, 4 * image + 4);
    box.hidden = !width || !video.videoWidth;
    const percent = (value) => `${value / 2.55}%`;
    Object.assign(box.style, { left: percent(x), top: percent(y), width: percent(width), height: percent(height) });
  }

  // The visible part of the timeline, and its scale.

  let pxPerS = 1, fits = duration <= FIRST_VIEW_S;
  const fitting = () => scroller.clientWidth / duration;
  const isInView = (time) => {
    const x = time * pxPerS - scroller.scrollLeft;
    return x >= 0 && x <= scroller.clientWidth;
  };

  function reveal() {
    if (!isInView(now)) scroller.scrollLeft = now * pxPerS - 0.1 * scroller.clientWidth;
  }

  function zoom(wanted, anchor = isInView(now) ? now * pxPerS - scroller.scrollLeft : scroller.clientWidth / 2) {
    const time = (scroller.scrollLeft + anchor) / pxPerS;
    const most = Math.max(MAX_PX_PER_S, fitting());
    pxPerS = Math.min(Math.max(wanted, fitting()), most);
    fits = pxPerS <= fitting();
    content.style.width = fits ? "100%" : `${duration * pxPerS}px`;
    overview.hidden = byId("zoom-out").disabled = byId("zoom-fit").disabled = fits;
    byId("zoom-in").disabled = pxPerS >= most;
    scroller.scrollLeft = time * pxPerS - anchor;
    draw();
    show();
  }

  function draw() {
    const left = scroller.scrollLeft, width = scroller.clientWidth;
    overviewWindow.style.left = `${100 * left / (duration * pxPerS)}%`;
    overviewWindow.style.width = `${100 * width / (duration * pxPerS)}%`;
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(`--${name}`);
    for (const canvas of canvases) {
      const height = canvas.clientHeight, scale = devicePixelRatio;
      canvas.style.width = `${width}px`;
      if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
      if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
      const pen = canvas.getContext("2d");
      pen.setTransform(scale, 0, 0, scale, 0, 0);
      pen.clearRect(0, 0, width, height);
      if (canvas.dataset.curve === "axis") drawAxis(pen, left, width, height, color);
      else drawCurves(pen, canvas.dataset, left, width, height, color);
    }
  }

  function drawAxis(pen, left, width, height, color) {
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
    const step = steps.find((seconds) => seconds * pxPerS >= 76) ?? 7200;
    pen.fillStyle = color("faint");
    pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    pen.textBaseline = "middle";
    for (let i = Math.floor(left / pxPerS / step); i * step <= Math.min((left + width) / pxPerS, duration); i++) {
      const x = i * step * pxPerS - left;
      pen.fillRect(x, height - 5, 1, 5);
      pen.fillText(clockTime(i * step, step < 1 ? 1 : 0), x + 5, height / 2);
    }
  }

  // Step curves, because a score is valid for its block. If blocks are narrower than a pixel, a step is the mean of
  // several. Rectangles cost much less than a stroked path without a graphics card.
  function drawCurves(pen, { face, curve }, left, width, height, color) {
    const scores = faces[face][curve], names = columns[curve], count = names.length, thick = 2;
    const top = 8, bottom = height - 8, blockPx = pxPerS / rate, group = Math.max(1, Math.ceil(1 / blockPx));
    pen.fillStyle = color("line");
    for (const level of [top, (top + bottom) / 2, bottom]) pen.fillRect(0, Math.round(level), width, 1);
    const first = Math.floor(left / blockPx / group) * group;
    const stop = Math.min(numBlocks, Math.ceil((left + width) / blockPx));
    names.forEach((name, column) => {
      pen.fillStyle = color(name);
      let before = null;
      for (let block = first; block < stop; block += group) {
        const last = Math.min(block + group, numBlocks);
        let sum = 0;
        for (let i = block; i < last; i++) sum += scores[i * count + column];
        const x = block * blockPx - left, end = Math.min(last / rate, duration) * pxPerS - left;
        // Whole pixels, so that slightly overlapping steps leave no darker dots.
        const y = Math.round((bottom + (top - bottom) * sum / (last - block) / 255) * devicePixelRatio) / devicePixelRatio - 1;
        pen.fillRect(x, y, end - x + thick, thick);
        if (before !== null && before !== y) pen.fillRect(x, Math.min(before, y), thick, Math.abs(before - y) + thick);
        before = y;
      }
    });
  }

  // Mouse and keyboard.

  const timeAt = (event) => (event.clientX - content.getBoundingClientRect().left) / pxPerS;
  content.addEventListener("click", (event) => seek(timeAt(event)));
  content.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && event.buttons === 1 && event.target.matches("canvas")) seek(timeAt(event));
  });
  overview.addEventListener("pointerdown", (event) => {
    overview.setPointerCapture(event.pointerId);
    look(event);
  });
  overview.addEventListener("pointermove", (event) => { if (event.buttons === 1) look(event); });
  function look(event) {
    const part = (event.clientX - overview.getBoundingClientRect().left) / overview.clientWidth;
    scroller.scrollLeft = part * duration * pxPerS - scroller.clientWidth / 2;
  }
  // A button clicked with the mouse gives up the focus, so that keys control the page again.
  for (const button of all("button")) button.addEventListener("click", (event) => { if (event.detail) button.blur(); });
  byId("zoom-in").addEventListener("click", () => zoom(1.6 * pxPerS));
  byId("zoom-out").addEventListener("click", () => zoom(pxPerS / 1.6));
  byId("zoom-fit").addEventListener("click", () => zoom(0));
  scroller.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(pxPerS * Math.exp(-event.deltaY / 300), event.clientX - scroller.getBoundingClientRect().left);
  }, { passive: false });

  const step = (event, seconds) => now + Math.sign(seconds) * (event.shiftKey ? 10 : Math.abs(seconds));
  const keys = {
    " ": () => { if (video.paused) video.play().catch(() => {}); else video.pause(); },
    ArrowLeft: (event) => seek(step(event, -1)),
    ArrowRight: (event) => seek(step(event, 1)),
    ",": () => seek((Math.ceil(now * rate - 1e-2) - 1) / rate),
    ".": () => seek((Math.floor(now * rate + 1e-2) + 1) / rate),
    p: () => seek(onsets.findLast((onset) => onset < now - 0.05) ?? 0),
    n: () => seek(onsets.find((onset) => onset > now + 0.01) ?? now),
    Home: () => seek(0),
    End: () => seek(duration),
    "+": () => zoom(1.6 * pxPerS),
    "=": () => zoom(1.6 * pxPerS),
    "-": () => zoom(pxPerS / 1.6),
    0: () => zoom(0),
  };
  // Captured before the player, whose own keys would act as well.
  addEventListener("keydown", (event) => {
    // Space presses a focused button, but after a click on a time in the event list it plays from there.
    const isButton = event.target.matches?.("button") && !byId("events").contains(event.target);
    const isList = event.target === list && event.key.startsWith("Arrow");
    if (event.ctrlKey || event.metaKey || event.altKey || (isButton && event.key === " ") || isList) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act(event);
  }, { capture: true });

  scroller.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  new ResizeObserver(() => zoom(fits ? 0 : pxPerS)).observe(scroller);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  for (const name of ["play", "seeking", "seeked", "timeupdate"]) video.addEventListener(name, request);
  function begin() {
    shownImage = undefined;
    if (video.videoWidth) document.querySelector(".stage").style.setProperty("--aspect", video.videoWidth / video.videoHeight);
    else video.classList.add("audio-only");
    request();
  }
  // Before any seek, the first frame shows where the player's clock starts.
  function start() {
    if (video.currentTime > data.start_s / 2) zero = data.start_s;
    isReady = true;
    if (now) video.currentTime = now + zero;
    request();
  }
  for (const [name, state, act] of [["loadedmetadata", 1, begin], ["loadeddata", 2, start]]) {
    // A linked video may load before this script runs.
    if (video.readyState >= state) act(); else video.addEventListener(name, act, { once: true });
  }
  video.addEventListener("error", () => {
    const link = parts.length ? "" : ` ${decodeURI(video.getAttribute("src"))}, which is linked, not embedded`;
    byId("trouble").textContent = `This browser cannot find or play the video${link}.`;
    byId("trouble").hidden = false;
  });

  // An embedded video is joined from its parts into a file, in which the player can seek.
  const parts = all(".video-part");
  if (parts.length) {
    const pieces = parts.map((part) => {
      const piece = bytes(part.textContent);
      part.remove();
      return piece;
    });
    video.src = URL.createObjectURL(new Blob(pieces, { type: parts[0].dataset.type }));
  }
  zoom(fits ? 0 : scroller.clientWidth / FIRST_VIEW_S);
})();
