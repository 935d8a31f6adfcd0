/** DOMStringList (HTML §2.6.3), sorted by code unit as IndexedDB wants it (§2, "create a sorted name list"). */
export class NameList extends Array<string> {
  static sorted(names: Iterable<string>): NameList {
    const list = new NameList();
    for (const name of [...names].sort(byCodeUnit)) list.push(name);
    return list;
  }

  contains(name: string): boolean {
    return this.includes(name);
  }

  item(index: number): string | null {
    return this[index] ?? null;
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
