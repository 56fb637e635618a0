/** What the form asks of the model, as `SessionSettings`. */

/** Gives the settings of `form`; what is empty takes the service's default. */
export function settingsOf(form) {
  const settings = {};
  for (const name of ["seed", "textTemperature", "audioTemperature"]) {
    const text = form.elements[name].value.trim();
    // A seed goes as text: it may be larger than a number can say exactly.
    if (text) settings[name] = name === "seed" ? text : Number(text);
  }
  return settings;
}
