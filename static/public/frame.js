/* Inside a frame: tells the page around it how high the form is, and nothing else. */
(function () {
  "use strict";
  if (window.parent === window) {
    return;
  }
  function tell() {
    window.parent.postMessage({ pliHeight: document.documentElement.getBoundingClientRect().height }, "*");
  }
  new ResizeObserver(tell).observe(document.documentElement);
  tell();
})();
