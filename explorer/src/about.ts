export async function about(): Promise<{ zone: string | null; authentication: boolean }> {
  const response = await fetch("/explorer/about.json");
  return response.json();
}
