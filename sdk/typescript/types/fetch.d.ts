// SPDX-License-Identifier: Apache-2.0

// A name that Connect takes from the types of browsers, which nothing else here should see.
type HeadersInit = NonNullable<ConstructorParameters<typeof Headers>[0]>;
