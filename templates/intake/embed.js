/* Shows a form of Pli where this script stands:
   <script src="https://…/f/embed.js" data-form="KEY" async></script>
   Optional: data-lang, data-source, data-title. Sets no cookie, reads nothing of the page around it. */
(function () {
  "use strict";
  var script = document.currentScript;
  var key = script ? script.getAttribute("data-form") : "";
  if (!/^[A-Za-z0-9_-]{22}$/.test(key || "")) {
    return;
  }
  var home = new URL(script.src).origin;
  var address = new URL("/f/" + key, home);
  address.searchParams.set("embed", "1");
  ["lang", "source"].forEach(function (name) {
    var value = script.getAttribute("data-" + name);
    if (value) {
      address.searchParams.set(name, value);
    }
  });
  var frame = document.createElement("iframe");
  frame.src = address.href;
  frame.title = script.getAttribute("data-title") || "Form";
  frame.setAttribute("referrerpolicy", "no-referrer");
  frame.style.width = "100%";
  frame.style.height = "40rem";
  frame.style.border = "0";
  frame.style.display = "block";
  window.addEventListener("message", function (event) {
    var height = event.source === frame.contentWindow && event.origin === home && event.data ? event.data.pliHeight : 0;
    if (typeof height === "number" && height > 0 && height < 20000) {
      frame.style.height = Math.ceil(height) + "px";
    }
  });
  script.parentNode.insertBefore(frame, script.nextSibling);
})();
