/** The top of the page: its name, and the way to the other pages. */

const PAGES = [
  ["/explorer", "Explorer"],
  ["/tables", "Tables"],
  ["/sql", "SQL"],
] as const;

export function Header() {
  return (
    <header>
      <h1 className="logo">
        <a href="/">
          gamehub<em>-graph</em>
        </a>
      </h1>
      <nav className="pages" aria-label="Pages">
        {PAGES.map(([address, name]) => (
          <a key={address} href={address} aria-current={address === "/explorer" ? "page" : undefined}>
            {name}
          </a>
        ))}
      </nav>
    </header>
  );
}
