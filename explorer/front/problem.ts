/** A page about an address that cannot be shown. The server writes its text. */
import "../frame/page.css";
import "./page.css";
import "../frame/header";
