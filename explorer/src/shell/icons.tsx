/** The icons of the page. They are drawn here, so that the page can show them before its editor is loaded. */
import type { ReactNode } from "react";

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      {children}
    </svg>
  );
}

export const BookIcon = () => (
  <Icon>
    <path d="M8 3.5C6.5 2.5 4.5 2.2 2 2.5v10c2.5-.3 4.5 0 6 1 1.5-1 3.5-1.3 6-1v-10c-2.5-.3-4.5 0-6 1zm0 0v10" />
  </Icon>
);
export const ClockIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="6" />
    <path d="M8 4.5V8l2.5 1.5" />
  </Icon>
);
export const BookmarkIcon = () => (
  <Icon>
    <path d="M4 2h8v12l-4-3-4 3z" />
  </Icon>
);
export const PlayIcon = () => (
  <svg viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">
    <path d="M4 2.2v11.6a.5.5 0 0 0 .77.42l9-5.8a.5.5 0 0 0 0-.84l-9-5.8A.5.5 0 0 0 4 2.2z" />
  </svg>
);
export const StopIcon = () => (
  <svg viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">
    <rect x="3" y="3" width="10" height="10" rx="1" />
  </svg>
);
export const PlanIcon = () => (
  <Icon>
    <rect x="1.5" y="2" width="4" height="3" rx=".5" />
    <rect x="1.5" y="11" width="4" height="3" rx=".5" />
    <rect x="10.5" y="6.5" width="4" height="3" rx=".5" />
    <path d="M5.5 3.5h2.5v9H5.5M8 8h2.5" />
  </Icon>
);
export const WandIcon = () => (
  <Icon>
    <path d="m2.5 13.5 7-7M11 2v3M12.5 3.5h-3M13 8v2M14 9h-2M6 2v2M7 3H5" />
  </Icon>
);
export const CopyIcon = () => (
  <Icon>
    <rect x="5.5" y="5.5" width="8" height="8" rx="1" />
    <path d="M10.5 5.5v-3h-8v8h3" />
  </Icon>
);
export const MergeIcon = () => (
  <Icon>
    <path d="M4 2v3c0 3 4 3 4 6v3M12 2v3c0 3-4 3-4 6M6 12l2 2 2-2" />
  </Icon>
);
export const KeyboardIcon = () => (
  <Icon>
    <rect x="1.5" y="4" width="13" height="8.5" rx="1" />
    <path d="M4 6.5h.01M6.7 6.5h.01M9.3 6.5h.01M12 6.5h.01M5 10h6" />
  </Icon>
);
export const GearIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="2.2" />
    <path d="M8 1.5v2M8 12.5v2M1.5 8h2M12.5 8h2M3.4 3.4l1.4 1.4M11.2 11.2l1.4 1.4M12.6 3.4l-1.4 1.4M4.8 11.2l-1.4 1.4" />
  </Icon>
);
export const ReloadIcon = () => (
  <Icon>
    <path d="M13.5 8a5.5 5.5 0 1 1-1.6-3.9M13.5 2v3h-3" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="m4 4 8 8M12 4l-8 8" />
  </Icon>
);
export const PlusIcon = () => (
  <Icon>
    <path d="M8 3v10M3 8h10" />
  </Icon>
);
export const TreeIcon = () => (
  <Icon>
    <path d="M3 2v10.5h4M3 6.5h4" />
    <rect x="9" y="4.5" width="5" height="4" rx=".8" />
    <rect x="9" y="10.5" width="5" height="4" rx=".8" />
  </Icon>
);
export const ShareIcon = () => (
  <Icon>
    <circle cx="4" cy="8" r="1.8" />
    <circle cx="12" cy="3.5" r="1.8" />
    <circle cx="12" cy="12.5" r="1.8" />
    <path d="m5.6 7.1 4.8-2.7M5.6 8.9l4.8 2.7" />
  </Icon>
);
