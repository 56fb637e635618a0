/** What the form asks of the model, as `SessionSettings`. */

const TEMPERATURES = ["textTemperature", "audioTemperature"];

/** Gives the settings of `form`; what is empty takes the service's default. */
export function settingsOf(form) {
  const settings = {};
  for (const name of ["seed", ...TEMPERATURES]) {
    const text = form.elements[name].value.trim();
    // A seed goes as text: it may be larger than a number can say exactly.
    if (text) settings[name] = name === "seed" ? text : Number(text);
  }
  return settings;
}

/** Gives those that may change in mid-call, all of them; what is empty takes the default that the form shows. */
export function samplingOf(form) {
  const valueOf = ({ value, placeholder }) => Number(value.trim() || placeholder);
  return Object.fromEntries(TEMPERATURES.map((name) => [name, valueOf(form.elements[name])]));
}
