import { readFileIfPresent } from "../../sys/file.ts";
import type { Sample } from "./prometheus-text.ts";

const maxBytes = 4 * 1024 * 1024;

/** The lines of a file of /proc, without empty ones; none when it is not there. */
export function kernelLines(file: string): string[] {
  const text = readFileIfPresent(file, maxBytes)?.toString() ?? "";
  return text.split("\n").filter((line) => line !== "");
}

/** Samples named by the label `item`. Words that are no numbers give none. */
export function itemSamples(items: Readonly<Record<string, string | number | undefined>>): Sample[] {
  return Object.entries(items).flatMap(([item, value]) => {
    const number = Number(value);
    return value === undefined || Number.isNaN(number) ? [] : [{ labels: { item }, value: number }];
  });
}

/** Samples of a line of numbers whose meaning is known by their place. */
export function columnSamples(
  labels: Readonly<Record<string, string>>,
  columns: readonly string[],
  words: readonly string[],
): Sample[] {
  return columns.flatMap((item, index) => {
    const word = words[index];
    return word === undefined || !/^\d+$/u.test(word) ? [] : [{ labels: { ...labels, item }, value: BigInt(word) }];
  });
}
