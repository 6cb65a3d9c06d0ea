/** Times as text, in a layout. */
import { type CivilTime, dayNames, daysInMonth, monthNames } from "./calendar.ts";
import { partsOf } from "./time-layout.ts";

/** The local time in the layout; offset in seconds east of UTC. */
export function formatTime(time: CivilTime, offsetSeconds: number, zoneName: string, layout: string): string {
  const texts = partsOf(layout).map((part) =>
    "text" in part ? part.text : formatElement(part.element, time, offsetSeconds, zoneName),
  );
  return texts.join("");
}

function formatElement(name: string, time: CivilTime, offsetSeconds: number, zoneName: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const hour12 = time.hour % 12 === 0 ? 12 : time.hour % 12;
  switch (name) {
    case "January":
      return monthNames[time.month - 1] ?? "";
    case "Jan":
      return monthNames[time.month - 1]?.slice(0, 3) ?? "";
    case "Monday":
      return dayNames[time.weekday] ?? "";
    case "Mon":
      return dayNames[time.weekday]?.slice(0, 3) ?? "";
    case "MST":
      return zoneName;
    case "2006":
      return String(time.year).padStart(4, "0");
    case "06":
      return two(time.year % 100);
    case "1":
      return String(time.month);
    case "01":
      return two(time.month);
    case "2":
      return String(time.day);
    case "02":
      return two(time.day);
    case "_2":
      return String(time.day).padStart(2, " ");
    case "002":
      return String(dayOfYear(time)).padStart(3, "0");
    case "__2":
      return String(dayOfYear(time)).padStart(3, " ");
    case "15":
      return two(time.hour);
    case "3":
      return String(hour12);
    case "03":
      return two(hour12);
    case "4":
      return String(time.minute);
    case "04":
      return two(time.minute);
    case "5":
      return String(time.second);
    case "05":
      return two(time.second);
    case "PM":
      return time.hour >= 12 ? "PM" : "AM";
    case "pm":
      return time.hour >= 12 ? "pm" : "am";
    default:
      return /^[.,]/.test(name) ? formatFraction(name, time.nanosecond) : formatOffset(name, offsetSeconds);
  }
}

function dayOfYear(time: CivilTime): number {
  let days = time.day;
  for (let month = 1; month < time.month; month++) days += daysInMonth(time.year, month);
  return days;
}

/** ".000" keeps its zeros, ".999" drops them and the point with them. */
function formatFraction(name: string, nanosecond: number): string {
  const digits = String(nanosecond)
    .padStart(9, "0")
    .slice(0, name.length - 1)
    .padEnd(name.length - 1, "0");
  if (name.charAt(1) === "0") return name.charAt(0) + digits;
  const trimmed = digits.replace(/0+$/, "");
  return trimmed === "" ? "" : name.charAt(0) + trimmed;
}

function formatOffset(name: string, offsetSeconds: number): string {
  if (name.startsWith("Z") && offsetSeconds === 0) return "Z";
  const magnitude = Math.abs(offsetSeconds);
  const fields = [Math.floor(magnitude / 3600), Math.floor(magnitude / 60) % 60, magnitude % 60];
  const shown = fields.slice(0, Math.ceil((name.replaceAll(":", "").length - 1) / 2));
  const sign = offsetSeconds < 0 ? "-" : "+";
  return sign + shown.map((field) => String(field).padStart(2, "0")).join(name.includes(":") ? ":" : "");
}
