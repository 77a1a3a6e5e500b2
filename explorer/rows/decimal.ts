/** Exact decimals: texts of digits, compared and added without a float. */

const PLAIN = /^-?\d+(\.\d+)?$/;

/** Compare two numbers by their digits. Only numbers in another form, such as 1e5, are compared as floats. */
export function compareNumbers(a: string, b: string): number {
  const [first, second] = [Number(a), Number(b)];
  // Rounding keeps the order, so floats that differ decide. Equal floats may stand for different digits.
  if (first !== second || !PLAIN.test(a) || !PLAIN.test(b)) return first - second;
  const digits = Math.max(places(a), places(b));
  const [left, right] = [units(a, digits), units(b, digits)];
  return left < right ? -1 : left > right ? 1 : 0;
}

const places = (text: string) => (text.includes(".") ? text.length - text.indexOf(".") - 1 : 0);
const units = (text: string, digits: number) => BigInt(text.replace(".", "") + "0".repeat(digits - places(text)));

/** A sum with every digit. It is a float only if a number in another form was added. */
export class Sum {
  private units = 0n;
  private digits = 0;
  private float: number | null = null;

  add(text: string): this {
    if (this.float !== null || !PLAIN.test(text)) {
      this.float = (this.float ?? Number(this.text)) + Number(text);
      return this;
    }
    const digits = places(text);
    if (digits > this.digits) {
      this.units *= 10n ** BigInt(digits - this.digits);
      this.digits = digits;
    }
    this.units += units(text, this.digits);
    return this;
  }

  get text(): string {
    if (this.float !== null) return String(this.float);
    const negative = this.units < 0n;
    const shown = String(negative ? -this.units : this.units).padStart(this.digits + 1, "0");
    const whole = shown.slice(0, shown.length - this.digits);
    return (negative ? "-" : "") + whole + (this.digits ? `.${shown.slice(shown.length - this.digits)}` : "");
  }
}

/** Return a number with commas between its thousands. Its digits stay as they are. */
export function separated(text: string): string {
  if (!PLAIN.test(text)) return text;
  const [whole = "", part] = text.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (part === undefined ? "" : `.${part}`);
}
