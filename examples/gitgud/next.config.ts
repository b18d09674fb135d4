import type { NextConfig } from "next";

const config: NextConfig = {
  output: "standalone",
  // Else the nearest lock file above this folder would be taken for the project's.
  outputFileTracingRoot: import.meta.dirname,
  poweredByHeader: false,
  // There is no linter here; types are checked.
  eslint: { ignoreDuringBuilds: true },
};

export default config;
