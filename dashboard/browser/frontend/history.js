// Another picture or another page is a step in the browser's history, and nothing else is.
//
// Streamlit makes a step whenever Python changes the address: with a crop, a preset, a slider that
// moves another one. What is no step is written into the present entry instead, so that Back leads
// to the picture before, as it was left.

(() => {
  if (history.wilSteps) return; // this has run in this document
  history.wilSteps = true;
  const push = history.pushState;

  // A page that is not about a picture is one place, whatever picture its address still names.
  const place = (address) => {
    const said = new URL(address, location.href).searchParams;
    const key = ["view", "picture", "sample"].find((each) => said.get(each));
    return key && `${key}=${said.get(key)}`;
  };

  history.pushState = function (state, title, address) {
    // Before anybody has done anything the page only puts its address right.
    const untouched = navigator.userActivation?.hasBeenActive === false;
    const same = untouched || place(address) === place(location.href);
    return (same ? history.replaceState : push).call(history, state, title, address);
  };
})();
