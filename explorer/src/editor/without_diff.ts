/** Stand in for Monaco's editors of differences, which the page has no use for: its core brings them along. */

export class DiffEditorWidget {}
export class MultiDiffEditorWidget {}
