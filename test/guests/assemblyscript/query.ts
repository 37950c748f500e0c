/** A percent-encoded query string; a name may come several times. */
export class Query {
  private names: string[] = [];
  private values: string[] = [];

  constructor(text: string) {
    const pairs = text.split("&");
    for (let i = 0; i < pairs.length; i++) {
      if (pairs[i] == "") continue;
      const at = pairs[i].indexOf("=");
      this.names.push(at < 0 ? pairs[i] : pairs[i].substring(0, at));
      this.values.push(at < 0 ? "" : decodeURIComponent(pairs[i].substring(at + 1).replaceAll("+", " ")));
    }
  }

  text(name: string): string {
    const at = this.names.indexOf(name);
    return at < 0 ? "" : this.values[at];
  }

  all(name: string): string[] {
    const found: string[] = [];
    for (let i = 0; i < this.names.length; i++) if (this.names[i] == name) found.push(this.values[i]);
    return found;
  }

  /** 0 when it is not there. */
  number(name: string): i32 {
    const text = this.text(name);
    return text == "" ? 0 : I32.parseInt(text);
  }
}
