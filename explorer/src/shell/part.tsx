/** A part of the page that is loaded when it is shown first. If it fails, it says so, and the rest of the page goes on. */
import { Component, type ReactNode, Suspense } from "react";

interface Properties {
  name: string;
  children: ReactNode;
}

export class LoadedPart extends Component<Properties, { problem: string | undefined }> {
  override state = { problem: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }

  override render() {
    const { name, children } = this.props;
    if (this.state.problem !== undefined) {
      return (
        <p className="failed" role="alert">
          {name} cannot be shown: {this.state.problem}
        </p>
      );
    }
    return <Suspense fallback={<p aria-busy="true">Loading…</p>}>{children}</Suspense>;
  }
}
