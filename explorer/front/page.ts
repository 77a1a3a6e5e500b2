/** `/`: what this server is, and where to go. */
import "../frame/page.css";
import "./page.css";
import "../frame/header";
