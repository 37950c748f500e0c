/** MessagePack as JSON: what providers answer, so no floats and no extension types. */
export function toJson(bytes: ArrayBuffer): string {
  if (bytes.byteLength == 0) return "null";
  return new Reader(bytes).value();
}

/** A JSON string; of the control characters only line ends are expected. */
export function quote(text: string): string {
  const safe = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return '"' + safe + '"';
}

class Reader {
  private view: DataView;
  private at: i32 = 0;

  constructor(private bytes: ArrayBuffer) {
    this.view = new DataView(bytes);
  }

  value(): string {
    const tag = this.view.getUint8(this.at++);
    if (tag < 0x80) return tag.toString();
    if (tag < 0x90) return this.map(tag & 15);
    if (tag < 0xa0) return this.array(tag & 15);
    if (tag < 0xc0) return this.text(tag & 31);
    if (tag >= 0xe0) return (<i32>(<i8>tag)).toString();
    switch (tag) {
      case 0xc0:
        return "null";
      case 0xc2:
        return "false";
      case 0xc3:
        return "true";
      case 0xc4:
      case 0xd9:
        return this.text(<i32>this.unsigned(1));
      case 0xc5:
      case 0xda:
        return this.text(<i32>this.unsigned(2));
      case 0xc6:
      case 0xdb:
        return this.text(<i32>this.unsigned(4));
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.unsigned(1 << (tag - 0xcc)).toString();
      case 0xd0:
        return (<i8>this.unsigned(1)).toString();
      case 0xd1:
        return (<i16>this.unsigned(2)).toString();
      case 0xd2:
        return (<i32>this.unsigned(4)).toString();
      case 0xd3:
        return (<i64>this.unsigned(8)).toString();
      case 0xdc:
        return this.array(<i32>this.unsigned(2));
      case 0xde:
        return this.map(<i32>this.unsigned(2));
      default:
        throw new Error("unexpected tag " + tag.toString());
    }
  }

  private unsigned(length: i32): u64 {
    let value: u64 = 0;
    for (let i = 0; i < length; i++) value = (value << 8) | this.view.getUint8(this.at++);
    return value;
  }

  private text(length: i32): string {
    const start = this.at;
    this.at += length;
    return quote(String.UTF8.decode(this.bytes.slice(start, this.at)));
  }

  private array(length: i32): string {
    const items: string[] = [];
    for (let i = 0; i < length; i++) items.push(this.value());
    return "[" + items.join(",") + "]";
  }

  private map(length: i32): string {
    const items: string[] = [];
    for (let i = 0; i < length; i++) {
      const key = this.value();
      items.push(key + ":" + this.value());
    }
    return "{" + items.join(",") + "}";
  }
}
